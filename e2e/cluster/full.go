package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/e2e/cluster/node"
)

// real is what a cluster has whose nodes run kubelet. It is written down before any of it is started.
type real struct {
	API     string // URL of the API server
	Kubectl string // program
	Network node.Network
	Nodes   []node.Node
}

// record is the file of it in the cluster's folder.
const record = "network.json"

// gpus of a node, which no device is behind.
const gpus = "8"

func (r *real) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, record), append(text, '\n'), 0o600)
}

// readReal gives nil for a cluster whose nodes are pretended.
func readReal(dir string) (*real, error) {
	text, err := os.ReadFile(filepath.Join(dir, record))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r real
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, record), err)
	}
	return &r, nil
}

// named is the node of that name.
func (r *real) named(name string) (node.Node, error) {
	var names []string
	for _, n := range r.Nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return node.Node{}, fmt.Errorf("%q is no node of this cluster: %s are", name, strings.Join(names, ", "))
}

// apiServer listens where nodes and pods reach it, and lets kubelet know who asks.
func (r *real) apiServer(p *pki) []string {
	address := r.Network.Machine().String()
	return []string{
		"--bind-address=" + address, "--advertise-address=" + address, "--service-cluster-ip-range=" + r.Network.Services.String(), "--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + p.path("administrator.crt"), "--kubelet-client-key=" + p.path("administrator.key"),
	}
}

// fits says what is wrong with a cluster of real nodes before anything is built for it.
func fits(chosen options) error {
	if lacks := node.Lacks(); len(lacks) > 0 {
		return fmt.Errorf("--size full runs kubelets and real pods. This machine lacks for it:\n  %s", strings.Join(lacks, "\n  "))
	}
	if count := chosen.spotNodes + chosen.onDemandNodes; count < 1 || count > node.MostNodes {
		return fmt.Errorf("%d nodes: --size full has 1 to %d of both kinds together", count, node.MostNodes)
	}
	if folder := node.Hidden(chosen.dir); folder != "" {
		return fmt.Errorf("--dir %s: nodes have a %s of their own, and would not see the cluster's folder there", chosen.dir, folder)
	}
	return nil
}

// startRouter makes the network that all else needs the addresses of.
func (c *cluster) startRouter(ctx context.Context, chosen options) error {
	network, err := node.NewNetwork(ctx, c.dir)
	if err != nil {
		return err
	}
	c.address = network.Machine().String()
	c.real = &real{Kubectl: c.built["kubectl"], Network: network}
	for _, kind := range []struct {
		capacity string
		count    int
	}{{"on-demand", chosen.onDemandNodes}, {"spot", chosen.spotNodes}} {
		for _, name := range names(kind.capacity, kind.count) {
			c.real.Nodes = append(c.real.Nodes, node.Node{
				Name: name, Capacity: kind.capacity, Number: len(c.real.Nodes) + 1, Network: network, Folder: filepath.Join(c.dir, "nodes", name), Logs: filepath.Join(c.dir, "logs"),
				Kubeconfig: c.kubeconfig(), Authority: filepath.Join(c.dir, "pki", "authority.crt"), Kubelet: c.built["kubelet"], KubeProxy: c.built["kube-proxy"],
			})
		}
	}
	if err := c.real.write(c.dir); err != nil {
		return err
	}
	router, err := startApart(c.dir, "router", node.RouterNamespace, "/bin/sh", nil, "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward && exec sleep infinity")
	if err != nil {
		return err
	}
	return network.ConnectRouter(ctx, router.pid)
}

// startDNS answers pods, in the network of the router: the loss of a node does not end it.
func (c *cluster) startDNS(ctx context.Context) error {
	router, err := named(c.dir, "router")
	if err != nil {
		return err
	}
	server := c.real.Network.Router().String()
	file := filepath.Join(c.dir, "home", "Corefile")
	text := fmt.Sprintf(`cluster.local:53 in-addr.arpa:53 {
    bind %[1]s
    errors
    kubernetes cluster.local in-addr.arpa {
        kubeconfig %[2]s %[3]s
        ttl 1
    }
    cache 1
}
.:53 {
    bind %[1]s
    template ANY ANY {
        rcode NXDOMAIN
    }
}
`, server, c.kubeconfig(), contextName)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	command := append(node.Inside(router.pid), c.built["coredns"], "-conf", file)
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	p, err := start(c.dir, "coredns", program, nil, command[1:]...)
	if err != nil {
		return err
	}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}
	return await(ctx, "names of services", time.Minute, p, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second) // a question that comes before the server listens gets no answer
		defer cancel()
		addresses, err := resolver.LookupNetIP(ctx, "ip4", "kubernetes.default.svc.cluster.local.")
		if want := []netip.Addr{c.real.Network.API()}; err == nil && !slices.Equal(addresses, want) {
			err = fmt.Errorf("%v for the API server, want %v", addresses, want)
		}
		return err
	})
}

// makeImages writes down what the nodes are, with the images that no registry has.
func (c *cluster) makeImages(ctx context.Context) error {
	folder := filepath.Join(c.dir, "images")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	compiler, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("%w: the program of pods that hold others is built with each cluster", err)
	}
	pause := filepath.Join(folder, "pause")
	if _, err := tool(ctx, compiler, filepath.Dir(c.tools), "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", pause, "./node/pause"); err != nil {
		return err
	}
	images, err := node.WriteImages(folder, pause)
	if err != nil {
		return err
	}
	for i := range c.real.Nodes {
		c.real.Nodes[i].Images = images
	}
	c.real.API = c.api
	return c.real.write(c.dir)
}

// startRealNodes starts all before it waits for the first.
func (c *cluster) startRealNodes(ctx context.Context) error {
	var started []*process
	for _, n := range c.real.Nodes {
		p, err := c.startNode(ctx, n)
		if err != nil {
			return err
		}
		started = append(started, p)
	}
	for i, n := range c.real.Nodes {
		if err := c.nodeReady(ctx, n, started[i]); err != nil {
			return err
		}
	}
	return nil
}
