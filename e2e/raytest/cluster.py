"""A Ray cluster on loopback for ray_test.go, its head alone at first. Each node says that it is in a pod of its own, as KubeRay's pods do. Commands come on standard input,
an answer for each goes to standard output; at the end of the input everything ends.

    add POD      another node
    kill POD     SIGKILL for the processes of a node: its pod is gone

Arguments: the head's pod, the port of the dashboard, a folder with a short name.
"""

import os
import sys

from ray.cluster_utils import Cluster

STORE = 80_000_000  # bytes; Ray takes no less than 75 MB


def main(pod: str, port: str, folder: str) -> None:
    def node(of: str, **more) -> dict:
        return {
            "node_ip_address": "127.0.0.1",
            "num_cpus": 4,
            "num_gpus": 2,
            "object_store_memory": STORE,
            "env_vars": {"RAY_CLOUD_INSTANCE_ID": of, "RAY_NODE_TYPE_NAME": "gpu"},
            **more,
        }

    os.makedirs(os.path.join(folder, "ray"), exist_ok=True)  # also where Ray writes down its address
    cluster = Cluster(
        initialize_head=True,
        head_node_args=node(
            pod, include_dashboard=True, dashboard_host="127.0.0.1", dashboard_port=int(port), temp_dir=os.path.join(folder, "ray"), dashboard_agent_listen_port=None
        ),
    )
    nodes = {}
    print("ready", flush=True)
    for line in sys.stdin:
        command, of = line.split()
        if command == "add":
            nodes[of] = cluster.add_node(wait=False, **node(of))
        else:
            cluster.remove_node(nodes.pop(of), allow_graceful=False)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
