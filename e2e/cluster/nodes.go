package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nightshift.dev/nightshift/e2e/cluster/node"
)

// runNode is the command by which this program is started again, as the first process of a node.
const runNode = "run-node"

// startNode starts the processes of a node and joins it to the network.
func (c *cluster) startNode(ctx context.Context, n node.Node) (*process, error) {
	file, err := n.Prepare()
	if err != nil {
		return nil, err
	}
	if err := node.RemoveCgroups(n.Cgroup()); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	router, err := named(c.dir, "router")
	if err != nil {
		return nil, err
	}
	p, err := startApart(c.dir, n.Name, node.Namespaces, program, nil, runNode, file)
	if err != nil {
		return nil, err
	}
	return p, c.real.Network.ConnectNode(ctx, router.pid, p.pid, n.Number)
}

// nodeReady waits for kubelet, gives the node its GPUs, and waits until pods may ask for them.
func (c *cluster) nodeReady(ctx context.Context, n node.Node, p *process) error {
	url := c.api + "/api/v1/nodes"
	ready := func(more func(object) error) func(context.Context) error {
		return func(ctx context.Context) error {
			return c.reader.named(ctx, url, "node", []string{n.Name}, "Ready", more)
		}
	}
	if err := await(ctx, n.Name+" to be ready", readyWithin, p, ready(func(object) error { return nil })); err != nil {
		return err
	}
	patch := `[{"op":"add","path":"/status/capacity/nvidia.com~1gpu","value":"` + gpus + `"}]`
	if err := c.kubectl(ctx, "", "patch", "node", n.Name, "--subresource=status", "--type=json", "-p", patch); err != nil {
		return err
	}
	return await(ctx, "the GPUs of "+n.Name, time.Minute, p, ready(func(o object) error {
		if o.Status.Allocatable["nvidia.com/gpu"] != gpus {
			return fmt.Errorf("allocatable are %v", o.Status.Allocatable)
		}
		if len(o.Spec.Taints) > 0 {
			return fmt.Errorf("has the taint %s", o.Spec.Taints[0].Key)
		}
		return nil
	}))
}

// reopen gives a cluster of real nodes that is up.
func reopen(dir string, out io.Writer) (*cluster, error) {
	all, err := processes(dir)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, errNoCluster)
	}
	r, err := readReal(dir)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fmt.Errorf("nodes of the cluster in %s are pretended: kubectl delete node and create them", dir)
	}
	c := &cluster{dir: dir, real: r, api: r.API, built: built{"kubectl": r.Kubectl}, out: out, pki: &pki{dir: filepath.Join(dir, "pki")}}
	c.reader, err = newReader(c.pki)
	return c, err
}

// nodeKill ends all of a node at once, as the loss of a machine does. Kubernetes is not told.
func nodeKill(ctx context.Context, chosen options, out io.Writer) error {
	return withNode(chosen, out, func(c *cluster, n node.Node) error {
		p, err := named(c.dir, n.Name)
		if err != nil {
			return err
		}
		if err := stop(ctx, c.dir, []*process{p}); err != nil {
			return err
		}
		return removeCgroups(ctx, n)
	})
}

// nodeUp starts a node anew that was killed or has ended. What Kubernetes knows of the lost one is deleted first, as a cloud's controller
// does: it is another machine with the same name, and has none of its pods.
func nodeUp(ctx context.Context, chosen options, out io.Writer) error {
	return withNode(chosen, out, func(c *cluster, n node.Node) error {
		began := time.Now()
		if p, err := named(c.dir, n.Name); err == nil {
			runs, err := p.runs()
			if err != nil {
				return err
			}
			if runs {
				fmt.Fprintf(out, "%s runs already\n", n.Name)
				return nil
			}
		}
		if err := removeCgroups(ctx, n); err != nil {
			return err
		}
		for _, arguments := range [][]string{
			{"delete", "node", n.Name, "--ignore-not-found"},
			{"delete", "pods", "--all-namespaces", "--field-selector", "spec.nodeName=" + n.Name, "--force", "--grace-period=0"},
		} {
			if err := c.kubectl(ctx, "", arguments...); err != nil {
				return err
			}
		}
		p, err := c.startNode(ctx, n)
		if err != nil {
			return err
		}
		if err := c.nodeReady(ctx, n, p); err != nil {
			return err
		}
		took(out, n.Name, began)
		return nil
	})
}

// withNode does something with the named node while no other command is at work.
func withNode(chosen options, out io.Writer, do func(*cluster, node.Node) error) error {
	release, err := lock(chosen.dir, 0)
	if err != nil {
		return err
	}
	defer release()
	c, err := reopen(chosen.dir, out)
	if err != nil {
		return err
	}
	n, err := c.real.named(chosen.node)
	if err != nil {
		return err
	}
	return do(c, n)
}

// removeCgroups waits for the kernel, which lets go of the last process a little after its end.
func removeCgroups(ctx context.Context, n node.Node) error {
	return await(ctx, "the end of cgroup "+n.Cgroup(), endsWithin, nil, func(context.Context) error { return node.RemoveCgroups(n.Cgroup()) })
}

// end kills what up has started in a folder, and takes away what is outside of it.
func end(ctx context.Context, dir string) error {
	all, err := processes(dir)
	if err != nil {
		return err
	}
	if err := stop(ctx, dir, all); err != nil {
		return err
	}
	r, err := readReal(dir)
	if r == nil || err != nil {
		return err
	}
	problems := []error{await(ctx, "the end of interface "+r.Network.Interface, endsWithin, nil, func(context.Context) error {
		if !r.Network.Gone() {
			return errors.New("it is still there")
		}
		return nil
	})}
	for _, n := range r.Nodes {
		problems = append(problems, removeCgroups(ctx, n))
	}
	return errors.Join(problems...)
}

// killed are nodes without a process.
func (r *real) killed(all []*process) []string {
	var names []string
	for _, n := range r.Nodes {
		if !slices.ContainsFunc(all, func(p *process) bool { return p.name == n.Name }) {
			names = append(names, n.Name)
		}
	}
	return names
}
