// Deploys and runs a workflow with the client that @hey-api/openapi-ts generates; prints what it found.
// Compiled beside the generated files: `node typescript_client.js URL KEY`.

import { client } from './client.gen';
import { deployWorkflow, listRuns, readRun, startRun } from './sdk.gen';

declare const process: { argv: string[]; exitCode: number };

const workflow = {
    document: { dsl: '1.0.3', namespace: 'tests', name: 'generated-typescript', version: '1.0.0' },
    do: [{ answer: { set: { said: '${ .word }' } } }],
};

async function main(): Promise<void> {
    const [, , baseUrl, key] = process.argv;
    client.setConfig({ baseUrl, auth: key });
    const deployed = await deployWorkflow({
        body: workflow,
        bodySerializer: JSON.stringify,
        headers: { 'Content-Type': 'application/json' },
        throwOnError: true,
    });
    const run = await startRun({
        path: { namespace: 'tests', name: 'generated-typescript' },
        body: { word: 'hi' },
        headers: { Prefer: 'wait=30', 'Idempotency-Key': 'two' },
        throwOnError: true,
    });
    const again = await readRun({ path: { run: run.data.id }, throwOnError: true });
    const page = await listRuns({ query: { workflow: 'tests/generated-typescript' }, throwOnError: true });
    const missing = await readRun({ path: { run: '0190a000-0000-7000-8000-000000000000' } });
    console.log(
        JSON.stringify({
            version: deployed.data.version,
            status: again.data.status,
            output: again.data.output,
            seconds: again.data.ended_at !== null && Date.parse(again.data.ended_at) >= Date.parse(again.data.created_at),
            listed: page.data.items.length === 1 && page.data.items[0].id === run.data.id,
            missing: [missing.response?.status, missing.error?.code],
        }),
    );
}

main().catch((error: unknown) => {
    console.error(JSON.stringify(error), error);
    process.exitCode = 1;
});
