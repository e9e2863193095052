// Validates custom resources by the models of their CRDs: the folder of node_modules is the argument, objects come on
// stdin, what is wrong goes to stdout. An object whose kind no model knows is reported as unknown.
const path = require("path");
const modules = path.resolve(process.argv[2], "@kubernetes-models");
const groups = {
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
  "external-secrets.io": "external-secrets",
  "gateway.networking.k8s.io": "gateway-api",
};
const answer = { wrong: [], unknown: [], checked: 0 };
for (const each of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  const [group, version] = each.apiVersion.split("/");
  const title = `${each.kind}/${each.metadata.name}`;
  if (!groups[group]) {
    answer.unknown.push(`${each.apiVersion} ${each.kind}`);
    continue;
  }
  const model = require(path.join(modules, groups[group], group, version, each.kind))[each.kind];
  try {
    new model(each).validate();
  } catch (error) {
    answer.wrong.push(`${title}: ${error.message}`);
  }
  answer.checked += 1;
}
process.stdout.write(JSON.stringify(answer));
