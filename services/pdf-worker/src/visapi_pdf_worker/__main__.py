"""`python -m visapi_pdf_worker`."""

import sys

from visapi_common.runtime.lean_imports import leave_out_optional_imports

if __name__ == "__main__":
    leave_out_optional_imports()
    from visapi_pdf_worker.main import main

    sys.exit(main())
