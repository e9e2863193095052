"""The constructs of this release, by the property that marks them."""

from collections.abc import Mapping

from visapi_engine.compile.build import Construct
from visapi_engine.compile.tasks import (
    call,
    do,
    emit,
    for_each,
    fork,
    listen,
    raise_error,
    run_process,
    set_data,
    switch,
    try_catch,
    wait,
)

CONSTRUCTS: Mapping[str, Construct] = {
    construct.keyword: construct
    for construct in (
        call.CONSTRUCT,
        do.CONSTRUCT,
        emit.CONSTRUCT,
        for_each.CONSTRUCT,
        fork.CONSTRUCT,
        listen.CONSTRUCT,
        raise_error.CONSTRUCT,
        run_process.CONSTRUCT,
        set_data.CONSTRUCT,
        switch.CONSTRUCT,
        try_catch.CONSTRUCT,
        wait.CONSTRUCT,
    )
}
