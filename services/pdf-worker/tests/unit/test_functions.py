"""Functions are found by their folders, and each declares itself completely."""

import subprocess
import sys

from visapi_pdf_worker.functions import declared


def test_every_folder_declares_a_function() -> None:
    assert "pdf.render" in declared()
    assert all(function.name == name for name, function in declared().items())


def test_declarations_are_read_without_a_browser() -> None:
    asked = "import sys; from visapi_pdf_worker.functions import declared; declared(); print('playwright' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "False"
