"""The operations by resource: `client.runs.start(…)`. Each is declared once, for both clients."""

from typing import Generic

from visapi.client import (
    account_operations,
    contents,
    dead_letter_operations,
    endpoint_operations,
    event_operations,
    hook_operations,
    key_operations,
    operations,
    rate_operations,
    retention_operations,
    schedule_operations,
    secret_operations,
    template_operations,
    tenant_operations,
    workflow_operations,
)
from visapi.client.declaring import C_co, Lines, Listing, Operation, Resource


class Workflows(Resource[C_co]):
    deploy = Operation(operations.deploy)
    list = Listing(workflow_operations.list_workflows)
    versions = Listing(workflow_operations.list_versions)
    get = Operation(workflow_operations.get_workflow)
    version = Operation(workflow_operations.get_version)
    source = Operation(contents.get_source)
    simulate = Operation(workflow_operations.simulate)


class Runs(Resource[C_co]):
    start = Operation(workflow_operations.start)
    get = Operation(operations.get_run)
    list = Listing(workflow_operations.list_runs)
    history = Listing(operations.get_history)
    cancel = Operation(operations.cancel_run)
    suspend = Operation(operations.suspend_run)
    resume = Operation(operations.resume_run)
    retry = Operation(operations.retry_run)
    rerun = Operation(operations.rerun_run)
    count = Operation(operations.count_bulk)
    step = Operation(operations.step_bulk)


class Events(Resource[C_co]):
    send = Operation(event_operations.send_events)


class Schedules(Resource[C_co]):
    list = Listing(schedule_operations.list_schedules)
    get = Operation(schedule_operations.get_schedule)
    pause = Operation(schedule_operations.pause_schedule)
    resume = Operation(schedule_operations.resume_schedule)
    trigger = Operation(schedule_operations.trigger_schedule)
    backfill = Operation(schedule_operations.backfill_schedule)


class Secrets(Resource[C_co]):
    list = Listing(secret_operations.list_secrets)
    get = Operation(secret_operations.get_secret)
    put = Operation(secret_operations.put_secret)
    remove = Operation(secret_operations.remove_secret)


class Keys(Resource[C_co]):
    current = Operation(key_operations.current_key)
    list = Listing(key_operations.list_keys)
    get = Operation(key_operations.read_key)
    create = Operation(key_operations.create_key)
    change = Operation(key_operations.change_key)
    rotate = Operation(key_operations.rotate_key)
    disable = Operation(key_operations.disable_key)
    enable = Operation(key_operations.enable_key)
    revoke = Operation(key_operations.revoke_key)
    report_leak = Operation(key_operations.report_leak)


class Endpoints(Resource[C_co]):
    list = Listing(endpoint_operations.list_endpoints)
    create = Operation(endpoint_operations.make_endpoint)
    get = Operation(endpoint_operations.get_endpoint)
    update = Operation(endpoint_operations.update_endpoint)
    rotate = Operation(endpoint_operations.rotate_endpoint)
    remove = Operation(endpoint_operations.remove_endpoint)
    ping = Operation(endpoint_operations.ping_endpoint)
    messages = Listing(endpoint_operations.list_messages)
    message = Operation(endpoint_operations.get_message)
    replay = Operation(endpoint_operations.replay_message)


class Hooks(Resource[C_co]):
    list = Listing(hook_operations.list_hooks)
    create = Operation(hook_operations.make_hook)
    get = Operation(hook_operations.get_hook)
    update = Operation(hook_operations.update_hook)
    rotate = Operation(hook_operations.rotate_hook)
    remove = Operation(hook_operations.remove_hook)
    deliveries = Listing(hook_operations.list_deliveries)
    delivery = Operation(hook_operations.get_delivery)
    replay = Operation(hook_operations.replay_delivery)
    refusals = Operation(hook_operations.get_refusals)


class Accounts(Resource[C_co]):
    list = Listing(account_operations.list_accounts)
    get = Operation(account_operations.get_account)
    put = Operation(account_operations.put_account)
    rotate = Operation(account_operations.rotate_account)
    confirm = Operation(account_operations.confirm_account)
    roll_back = Operation(account_operations.roll_back_account)
    remove = Operation(account_operations.remove_account)
    versions = Operation(account_operations.list_account_versions)
    verify = Operation(account_operations.verify_account)


class Templates(Resource[C_co]):
    list = Listing(template_operations.list_templates)
    get = Operation(template_operations.read_template)
    version = Operation(template_operations.read_template_version)
    put = Operation(template_operations.put_template)
    preview = Operation(template_operations.preview_template)
    retire = Operation(template_operations.retire_template)
    versions = Listing(template_operations.list_template_versions)


class Tenants(Resource[C_co]):
    list = Listing(tenant_operations.list_tenants)
    get = Operation(tenant_operations.read_tenant)
    create = Operation(tenant_operations.make_tenant)
    suspend = Operation(tenant_operations.suspend_tenant)
    resume = Operation(tenant_operations.resume_tenant)
    export = Lines(tenant_operations.export_tenant)
    erase = Operation(tenant_operations.erase_tenant)


class DeadLetters(Resource[C_co]):
    list = Listing(dead_letter_operations.list_dead_letters)
    get = Operation(dead_letter_operations.get_dead_letter)
    resolve = Operation(dead_letter_operations.resolve_dead_letter)
    edit = Operation(dead_letter_operations.edit_dead_letter)
    replay = Operation(dead_letter_operations.replay_dead_letter)
    count_replay = Operation(dead_letter_operations.count_replay)
    start_replay = Operation(dead_letter_operations.start_replay)
    replays = Listing(dead_letter_operations.list_replays)
    get_replay = Operation(dead_letter_operations.get_replay)
    abort_replay = Operation(dead_letter_operations.abort_replay)


class Approvals(Resource[C_co]):
    list = Listing(operations.list_approvals)
    get = Operation(operations.get_approval)
    decide = Operation(operations.decide_approval)


class Artifacts(Resource[C_co]):
    get = Operation(contents.get_artifact)
    link = Operation(contents.link_artifact)
    remove = Operation(contents.remove_artifact)


class Rates(Resource[C_co]):
    current = Operation(rate_operations.current_rates)
    list = Listing(rate_operations.list_rates)
    get = Operation(rate_operations.read_rate)
    set = Operation(rate_operations.set_rate)
    remove = Operation(rate_operations.remove_rate)
    of_key = Operation(rate_operations.read_rate_of_key)
    set_of_key = Operation(rate_operations.set_rate_of_key)
    reset_of_key = Operation(rate_operations.reset_rate_of_key)


class Retention(Resource[C_co]):
    list = Listing(retention_operations.list_retention)
    get = Operation(retention_operations.get_retention)
    set = Operation(retention_operations.set_retention)
    reset = Operation(retention_operations.reset_retention)


class Usage(Resource[C_co]):
    list = Listing(rate_operations.list_usage)


class Limits(Resource[C_co]):
    list = Listing(operations.list_limits)


class Audit(Resource[C_co]):
    list = Listing(operations.list_audit)


class Functions(Resource[C_co]):
    list = Operation(contents.list_functions)


class Capabilities(Resource[C_co]):
    get = Operation(contents.read_capabilities)


class Resources(Generic[C_co]):
    """The resources of a client, which is a subclass of this."""

    def __init__(self, client: C_co) -> None:
        self.workflows = Workflows(client)
        self.runs = Runs(client)
        self.events = Events(client)
        self.schedules = Schedules(client)
        self.secrets = Secrets(client)
        self.keys = Keys(client)
        self.endpoints = Endpoints(client)
        self.hooks = Hooks(client)
        self.accounts = Accounts(client)
        self.templates = Templates(client)
        self.tenants = Tenants(client)
        self.dead_letters = DeadLetters(client)
        self.approvals = Approvals(client)
        self.artifacts = Artifacts(client)
        self.rates = Rates(client)
        self.usage = Usage(client)
        self.limits = Limits(client)
        self.retention = Retention(client)
        self.audit = Audit(client)
        self.functions = Functions(client)
        self.capabilities = Capabilities(client)
