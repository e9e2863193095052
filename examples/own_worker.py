from visapi_common.worker import Worker

worker = Worker("acme")


@worker.function("acme.score", effect="keyed", timeout_s=10)
async def score(applicant: dict[str, int]) -> dict[str, float]:
    return {"score": applicant["income"] / (1 + applicant["debts"])}


raise SystemExit(worker.run())
