// Starts runs at the rate of the plan, whatever the answers are, and writes a line for each answer.
import http from "k6/http";
import exec from "k6/execution";

const plan = JSON.parse(open(__ENV.PLAN));

export const options = {
  scenarios: { load: plan.scenario },
  thresholds: plan.thresholds,
  summaryTrendStats: ["med", "p(95)", "p(99)", "p(99.9)", "max"],
  systemTags: [],
};

export default function () {
  const number = exec.scenario.iterationInTest;
  const headers = {
    Authorization: `Bearer ${plan.key}`,
    "Content-Type": "application/json",
    "Idempotency-Key": `${plan.name}-${number}`,
  };
  const at = Date.now();
  const answer = http.post(plan.url, plan.body.split("@@").join(`${number}`), { headers, timeout: "30s" });
  const run = answer.status === 202 ? answer.json("id") : "-";
  console.log(`${at} ${answer.timings.duration.toFixed(3)} ${answer.status} ${run}`);
}

export function handleSummary(data) {
  return { [plan.summary]: JSON.stringify(data) };
}
