"""python3 -m nightshift_ray CONFIG, where CONFIG is a JSON object: the entry point of the job."""

import json
import sys

from nightshift_ray.driver import main

sys.exit(main(json.loads(sys.argv[1])))
