"""``python -m tinygrad_bn`` is the command ``tinygrad-bn``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
