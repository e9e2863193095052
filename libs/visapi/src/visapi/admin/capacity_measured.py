"""The measurements of `make capacity` on the machine that `source` names."""

from visapi.admin.capacity import Cost, Costs

MEASURED = Costs(
    source=(
        "make capacity on 2026-11-29, x86_64, 2 cores, embedded stack, 20 runs a second; "
        "others used the machine (load above 20), so processors are an upper bound"
    ),
    # The input's part of the processors was within the noise.
    cpu_s={
        "gateway": Cost(run=0.0020, task=0.00005),
        "orchestrator": Cost(run=0.0049, task=0.00105),
        "postgres": Cost(run=0.0036, task=0.00039),
        "nats": Cost(run=0.0025, task=0.00034),
    },
    wal_bytes=Cost(run=2965, task=2301, kb=2241),
    disk_bytes=Cost(run=1979, task=1316, kb=1650),
    rows=Cost(run=2, task=1),
    nats_bytes=Cost(run=3762, task=3251, kb=2048),
)
