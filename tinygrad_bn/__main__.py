"""``python -m tinygrad_bn`` is the command ``tinygrad-bn``."""

import sys

from .cli import main

sys.exit(main())
