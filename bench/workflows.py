"""The documents that the benchmark deploys."""


def three_steps(function: str = "bench.noop") -> str:
    """Three calls to a worker, one after the other."""
    return _document(
        "three-steps", [f"  - step{n}:\n      call: {function}\n      with: {{n: {n}}}" for n in (1, 2, 3)]
    )


def in_a_row(tasks: int) -> str:
    """So many calls to the no-op worker, one after the other; the input is kept meanwhile."""
    calls = [f"  - step{n}:\n      call: bench.noop\n      with: {{n: {n}}}" for n in range(tasks)]
    return _document(f"in-a-row-{tasks}", calls)


def paper() -> str:
    """A page of PDF, and a mail that says so."""
    render = "  - render:\n      call: pdf.render\n      with: {html: '${ .html }', options: {tagged: true}}"
    mail = "{to: anna@example.com, subject: '${ \"Invoice \" + $workflow.input.number }', text: Done.}"
    return _document("paper", [render, f"  - tell:\n      call: notify.email\n      with: {mail}"])


def one_set() -> str:
    """The cheapest run there is: accepting it is what is measured."""
    return _document("one-set", ["  - note:\n      set: {seen: true}"])


HEARD = "bench.heard"
"""The type of the event that a `listener` waits for, with the subject that its input says."""


def listener() -> str:
    """A run that ends with the event that is meant for it."""
    wanted = f"{{type: {HEARD}, subject: '${{ .who }}'}}"
    return _document("listener", [f"  - hear:\n      listen: {{to: {{one: {{with: {wanted}}}}}}}"])


def hostile() -> str:
    """An expression that would run for days."""
    return _document("hostile", ["  - spin:\n      set: {n: '${ last(range(1e12)) }'}"])


def many_tasks() -> str:
    """So many calls as its input says, one after the other."""
    call = "[{one: {call: bench.noop, with: {n: '${ $n }'}}}]"
    numbers = "'${ [range(.count)] }'"
    return _document("many-tasks", [f"  - all:\n      for: {{each: n, in: {numbers}}}\n      do: {call}"])


def many_items() -> str:
    """A call for each item of its input, 200 at once; its output counts the results."""
    mapped = "{items: '${ .items }', function: bench.noop, concurrency: 200}"
    counted = "{as: '${ {n: (.results | length)} }'}"
    return _document(
        "many-items", [f"  - all:\n      call: flow.map\n      with: {mapped}\n      output: {counted}"]
    )


def one_pdf(*, scripted: bool) -> str:
    """One page of an invoice, from HTML in the input."""
    options = "{javascript: true}" if scripted else "{tagged: true}"
    name = "scripted-pdf" if scripted else "static-pdf"
    step = f"  - render:\n      call: pdf.render\n      with: {{html: '${{ .html }}', options: {options}}}"
    return _document(name, [step])


def _document(name: str, tasks: list[str]) -> str:
    head = f"document: {{dsl: '1.0.3', namespace: bench, name: {name}, version: '1.0.0'}}\ndo:\n"
    return head + "\n".join(tasks) + "\n"


def invoice(number: int) -> str:
    """A one-page invoice of about 4 KB, different for every number so that nothing is cached."""
    lines = "".join(
        f"<tr><td>{n}</td><td>Service {number}-{n}</td><td class=r>{n * 3}.00</td></tr>" for n in range(1, 31)
    )
    return (
        "<!doctype html><html lang=en><head><title>Invoice</title><style>"
        "body{font-family:sans-serif;margin:2cm}table{width:100%;border-collapse:collapse}"
        "td{border-bottom:1px solid #ccc;padding:2px}.r{text-align:right}"
        f"</style></head><body><h1>Invoice {number}</h1><table>{lines}</table></body></html>"
    )
