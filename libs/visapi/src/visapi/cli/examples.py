"""An example for each command, shown below its help. A test holds that each command has one and parses it."""

_EXAMPLES = """
visapi up --inbox
visapi down
visapi status --output json
visapi env
visapi demo
visapi doctor --output json
visapi listen shop --forward-to http://127.0.0.1:3000/webhooks
visapi validate examples/visa-approval.yaml
visapi simulate examples/visa-approval.yaml --input examples/visa-approval.input.json
visapi deploy examples/visa-approval.yaml --dry-run
visapi limits shop/order
visapi workflow list --namespace shop
visapi workflow versions shop/order
visapi workflow show shop/order
visapi workflow source shop/order --version 1.0.0
visapi run start shop/order --input order.json --watch
visapi run get 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi run watch 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d --output jsonl
visapi run follow shop/order --type workflow.faulted
visapi run list --status faulted --workflow shop/order
visapi run cancel 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d --reason 'ordered twice'
visapi run suspend 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi run resume 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi run retry 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d --watch
visapi run rerun 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d --version 2.0.0
visapi run bulk retry --status faulted --workflow shop/order --yes
visapi event send --type com.example.paid --source /shop --id 42 --data paid.json
visapi schedule list
visapi schedule show reports/nightly
visapi schedule pause reports/nightly
visapi schedule resume reports/nightly
visapi schedule trigger reports/nightly
visapi schedule backfill reports/nightly --from 2026-11-01 --to 2026-11-20 --dry-run
visapi secret set partner --value token.txt --host api.example.com
visapi secret list
visapi secret remove partner
visapi approval list --state open
visapi approval decide 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d approve --comment 'checked'
visapi artifact get 9f86d081884c7d65.pdf --output certificate.pdf
visapi inbox list
visapi inbox show 1 --wait 10
visapi context add production https://visapi.example.com --key key.txt
visapi context use production
visapi context list
visapi context remove production
visapi key create reports --scope runs:read --days 90
visapi key list
visapi key show 3fK9vTq2LmXw7RbD
visapi key rotate 3fK9vTq2LmXw7RbD --overlap 3600
visapi key disable 3fK9vTq2LmXw7RbD --reason 'found in a log'
visapi key enable 3fK9vTq2LmXw7RbD
visapi key revoke 3fK9vTq2LmXw7RbD
visapi tenant create acme
visapi tenant list
visapi tenant get acme
visapi tenant suspend acme --reason 'unpaid'
visapi tenant resume acme
visapi tenant export acme --output acme.jsonl
visapi tenant erase acme --confirm acme --reason 'left us'
visapi account put relay --kind smtp --credentials relay.json --set host=mail.example.com
visapi account list
visapi account get relay
visapi account verify relay
visapi account rotate relay --credentials relay.json --overlap 48
visapi account confirm relay
visapi account rollback relay --version 1
visapi account delete relay
visapi template put welcome templates/welcome
visapi template list
visapi template get welcome@3
visapi template versions welcome
visapi template preview welcome --locale de-AT
visapi template delete welcome
visapi template put welcome templates/welcome
visapi template list
visapi template get welcome@3
visapi template versions welcome
visapi template preview welcome --locale de-AT
visapi template delete welcome
visapi hook create code --provider github
visapi hook list
visapi hook show code
visapi hook enable code
visapi hook disable code
visapi hook configure code '{"id_from": "/id"}'
visapi hook rotate code --secret secret.txt --overlap 48
visapi hook remove code
visapi hook deliveries code --limit 10
visapi hook delivery code 72d3162e-cc78-11e3-81ab-4c9367dc0958
visapi hook replay code 72d3162e-cc78-11e3-81ab-4c9367dc0958
visapi hook refusals code
visapi endpoint create shop https://shop.example/webhooks --type 'run.*'
visapi endpoint list
visapi endpoint show shop
visapi endpoint change shop --type run.completed --type run.faulted
visapi endpoint enable shop
visapi endpoint disable shop
visapi endpoint rotate shop --overlap 48
visapi endpoint remove shop
visapi endpoint ping shop
visapi endpoint messages shop --state failed
visapi endpoint message shop 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi endpoint replay shop 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi rate current
visapi rate list
visapi rate set shop --key 3fK9vTq2LmXw7RbD --per-s 50
visapi rate remove shop
visapi rate key 3fK9vTq2LmXw7RbD --per-s 10 --burst 20
visapi usage --from 2026-11-01 --to 2026-11-30 --by workflow
visapi audit list --action run.cancel
visapi audit verify
visapi dead-letter list --kind task
visapi dead-letter show 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi dead-letter resolve 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d retry --reason 'not in the outbox'
visapi dead-letter replay 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi dead-letter edit 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d event.json --reason 'wrong type'
visapi dead-letter replay-many --kind event --dry-run
visapi dead-letter replays
visapi dead-letter abort 0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d
visapi retention show
visapi retention set shop 90
visapi retention reset shop
visapi backup copy backups
visapi backup log backups
visapi backup restore backups
visapi admin secrets secrets --tenant acme
visapi admin roles --wait 60
visapi admin migrate --step expand
visapi admin doctor
visapi admin restored
visapi admin capacity --runs-per-day 1000000
visapi admin rotate secrets/key-pepper
visapi admin reseal
visapi admin rotation
visapi admin nats-config
visapi admin tenant create acme
visapi admin tenant list
visapi admin tenant disable acme --reason 'unpaid'
visapi admin tenant enable acme
visapi admin tenant rate acme --per-s 100
visapi admin key create first --tenant acme
"""
EXAMPLES = tuple(line for line in _EXAMPLES.splitlines() if line)


def examples_of(path: tuple[str, ...]) -> list[str]:
    """The examples of a command, which is named by the words after `visapi`."""
    return [line for line in EXAMPLES if tuple(line.split()[1 : 1 + len(path)]) == path]
