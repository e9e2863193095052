"""The constructs of this release, by the property that marks them."""

from collections.abc import Mapping

from visapi_engine.definition.build import Construct
from visapi_engine.definition.tasks import call, do, fork, raise_error, set_data, switch, try_catch, wait

CONSTRUCTS: Mapping[str, Construct] = {
    construct.keyword: construct
    for construct in (
        call.CONSTRUCT,
        do.CONSTRUCT,
        fork.CONSTRUCT,
        raise_error.CONSTRUCT,
        set_data.CONSTRUCT,
        switch.CONSTRUCT,
        try_catch.CONSTRUCT,
        wait.CONSTRUCT,
    )
}
