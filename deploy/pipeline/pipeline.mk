# What the workflows call, each to be run by hand as well. Values come from the environment and reach a shell only as
# quoted variables, so that no value is taken for a command.

.PHONY: versions set-version released-migrations release-notes publish-images chart publish-chart release-set sign github-release download-release \
	verify-release smoke slo-check deploy cluster-access environment-values audit scan scan-images secret-scan workflow-audit user-namespaces

TOOLS := .tools/bin
LOCKS := $(wildcard requirements/*.lock requirements/images/*.lock deploy/tools/*/requirements.lock)
TRIVY := $(TOOLS)/trivy --quiet
SEVERE := --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed

versions: setup ## All packages, images and the chart name one version (TAG=v0.2.0: that of the tag, described, its migrations listed)
	@$(BIN)/python tools/check_versions.py $${TAG:+"$$TAG"} $${OUTPUTS:+--outputs "$$OUTPUTS"}

set-version: setup ## Write VERSION into every package, image and the chart
	@$(BIN)/python tools/check_versions.py --set "$$VERSION"

released-migrations: setup ## List the new migrations in released.sha256, as those of VERSION; none of them changes from then on
	@$(BIN)/python tools/released_migrations.py "$$VERSION"

release-notes: setup ## The section of CHANGELOG.md about VERSION, as out/release/notes.md
	@$(BIN)/python tools/release_notes.py "$$VERSION" --out out/release/notes.md

publish-images: setup ## Build images, push them to REGISTRY as VERSION, keep their digests (IMAGES="gateway notifier" to choose)
	@$(BIN)/python tools/publish_images.py --registry "$$REGISTRY" --version "$$VERSION" $${OUTPUTS:+--outputs "$$OUTPUTS"} $$IMAGES

chart: setup ## Package the chart as VERSION into out/release (without VERSION: as Chart.yaml says), signed where CHART_SIGNING_KEY is set
	@$(BIN)/python tools/package_chart.py --out out/release --key-from-environment $${VERSION:+--version "$$VERSION"}

publish-chart: setup ## Push the packaged chart of VERSION to CHARTS=oci://…
	@$(BIN)/python tools/publish_chart.py "out/release/visapi-$$VERSION.tgz" "$$CHARTS" $${OUTPUTS:+--outputs "$$OUTPUTS"}

release-set: setup ## Write out/release/release.json and images.values.yaml from the published digests
	@$(BIN)/python tools/release_set.py --version "$$VERSION" --chart "$$CHART" --chart-digest "$$CHART_DIGEST"

sign: ## Sign SUBJECT=reference@digest with cosign, without a key
	@cosign sign --yes "$$SUBJECT"

github-release: ## Make the release of TAG on GitHub, with its notes and files
	@gh release create "$$TAG" --verify-tag --title "$$TAG" --notes-file out/release/notes.md \
		out/release/visapi-*.tgz* out/release/release.json out/release/images.values.yaml out/release/images/*.cdx.json

download-release: ## Fetch release.json and images.values.yaml of VERSION from GitHub
	@gh release download "v$$VERSION" --dir out/release --clobber --pattern release.json --pattern images.values.yaml

verify-release: setup ## Verify the signatures of out/release/release.json (REPOSITORY=owner/repo REF=refs/tags/v0.2.0)
	@$(BIN)/python tools/verify_release.py --repository "$$REPOSITORY" --ref "$$REF"

smoke: setup ## Run a workflow through the API at URL and check its outcome (VISAPI_API_KEY; WORLD=folder of stand-ins)
	@$(BIN)/python tools/smoke.py --url "$$URL" $${WORLD:+--world "$$WORLD"}

slo-check: setup ## Ask VISAPI_PROMETHEUS_URL whether the objectives are kept (SELECTOR='namespace="visapi"' WATCH=600)
	@$(BIN)/python tools/slo_check.py --selector "$$SELECTOR" --watch "$${WATCH:-0}"

deploy: setup ## Install PUBLISHED at URL, judge it, go back where it does not serve (STRATEGY, VALUES, PREVIEW, WATCH)
	@set -- ; for file in $$VALUES; do set -- "$$@" --values "$$file"; done; \
	$(BIN)/python tools/deploy_release.py --strategy "$${STRATEGY:-rolling}" --published "$${PUBLISHED:-out/release}" "$$@" \
		--url "$$URL" --preview "$$PREVIEW" --watch "$${WATCH:-600}"

user-namespaces: ## Let Chromium make its sandbox where AppArmor forbids user namespaces (Ubuntu 24.04; needs sudo)
	@if [ -e /proc/sys/kernel/apparmor_restrict_unprivileged_userns ]; then sudo sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0; fi

cluster-access: ## Let kubectl reach the EKS cluster CLUSTER
	@aws eks update-kubeconfig --name "$$CLUSTER"

environment-values: ## Write VALUES_TEXT to out/deploy/environment.values.yaml
	@mkdir -p out/deploy && printf '%s\n' "$$VALUES_TEXT" > out/deploy/environment.values.yaml

audit: ## Known holes of every locked Python package (needs the network)
	@$(PYTHON) tools/deploy_tools.py pipeline
	@code=0; for lock in $(LOCKS); do $(TOOLS)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r "$$lock" || code=1; done; exit $$code

scan: ## Holes of locked packages, misconfiguration and secrets, by trivy (SCANNERS=misconfig,secret needs no network)
	@$(PYTHON) tools/deploy_tools.py chart
	@$(TRIVY) filesystem $(SEVERE) --scanners $${SCANNERS:-vuln,misconfig,secret} --file-patterns 'pip:.*\.lock$$' \
		--skip-dirs .venv --skip-dirs .tools --skip-dirs out .

scan-images: ## Holes of the packages in the built images, by trivy (needs the network)
	@$(PYTHON) tools/deploy_tools.py chart
	@code=0; for bill in .images/*.cdx.json; do $(TRIVY) sbom $(SEVERE) "$$bill" || code=1; done; exit $$code

secret-scan: ## Look for secrets in every version of every file (SCAN=--tree: only in what is checked out)
	@$(PYTHON) tools/deploy_tools.py chart
	@$(PYTHON) tools/scan_secrets.py $${SCAN:-}

workflow-audit: ## Audit the workflows with zizmor (with GH_TOKEN also what needs GitHub); writes out/zizmor.sarif
	@$(PYTHON) tools/deploy_tools.py pipeline
	@mkdir -p out && $(TOOLS)/zizmor --quiet --persona pedantic --format sarif .github > out/zizmor.sarif
	@$(TOOLS)/zizmor --quiet --persona pedantic .github
