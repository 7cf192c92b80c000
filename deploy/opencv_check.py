"""
OpenCV's wheel with windows needs libGL, which a server does not have. We open no window, so where the library is
missing the same release without windows takes its place.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version


def main() -> int:
    found = subprocess.run([sys.executable, "-c", "import cv2"], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return 0
    release = version("opencv-python")
    sys.stderr.write(
        f"opencv-python: {found.stderr.strip().splitlines()[-1]}; taking opencv-python-headless {release}\n"
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    return subprocess.run([*pip, "--force-reinstall", f"opencv-python-headless=={release}"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
