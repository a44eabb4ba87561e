package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift.dev/nightshift/e2e/loopback"
)

// cluster is one that is being started.
type cluster struct {
	dir     string
	tools   string // folder
	built   built
	pki     *pki
	reader  *reader
	ports   ports
	address string // where the API server listens
	api     string // its URL
	real    *real  // nil: nodes are pretended
	out     io.Writer
}

// ports on the loopback interface.
type ports struct{ etcd, peer, api, controllers, scheduler, operator int }

// up builds, starts and fills a cluster. When a step fails it ends what it has started, and leaves the logs.
func up(ctx context.Context, chosen options, out io.Writer) (err error) {
	began := time.Now()
	wanted := sets
	if chosen.full {
		if err := fits(chosen); err != nil {
			return err
		}
		wanted = slices.Concat(sets, realSets)
	}
	tools, err := toolsFolder()
	if err != nil {
		return err
	}
	cache, err := cacheFolder()
	if err != nil {
		return err
	}
	release, err := claim(chosen.dir)
	if err != nil {
		return err
	}
	defer release()
	if there, err := alreadyUp(chosen.dir, out); there || err != nil {
		return err
	}
	programs, err := build(ctx, wanted, tools, cache, out)
	if err != nil {
		return err
	}
	c := &cluster{dir: chosen.dir, tools: tools, built: programs, address: "127.0.0.1", out: out}
	if err := c.start(ctx, chosen); err != nil {
		return errors.Join(err, c.giveUp())
	}
	if err := os.WriteFile(filepath.Join(c.dir, marker), []byte(complete), 0o600); err != nil {
		return err
	}
	took(out, "everything", began)
	fmt.Fprintf(out, "\nexport KUBECONFIG=%s\nexport PATH=%s:$PATH\n", c.kubeconfig(), filepath.Dir(programs["kubectl"]))
	return nil
}

// alreadyUp fails when a part of the cluster runs; the rest of it would have to be started with keys and ports that are not known any more.
func alreadyUp(dir string, out io.Writer) (bool, error) {
	all, err := processes(dir)
	if err != nil || len(all) == 0 {
		return false, err
	}
	for _, p := range all {
		if runs, err := p.runs(); !runs || err != nil {
			return false, fmt.Errorf("%s of the cluster in %s has ended%s (log: %s): down removes what is left of it", p.name, dir, because(err), p.log)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, marker)); err != nil || string(text) != complete {
		return false, fmt.Errorf("an up in %s was ended before it was done%s: down removes what is left of it", dir, because(err))
	}
	fmt.Fprintf(out, "it is up already: export KUBECONFIG=%s\n", filepath.Join(dir, "kubeconfig"))
	return true, nil
}

// giveUp has its own time: the context may be the reason.
func (c *cluster) giveUp() error {
	if err := end(context.Background(), c.dir); err != nil {
		return err
	}
	var problems []error
	for _, name := range []string{"etcd", "nodes", record} {
		problems = append(problems, os.RemoveAll(filepath.Join(c.dir, name)))
	}
	return errors.Join(problems...)
}

func (c *cluster) kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// phase is a part of up with a name.
type phase struct {
	name string
	do   func(context.Context) error
}

// phases are those of all clusters, with the network before and the nodes behind.
func (c *cluster) phases(chosen options) []phase {
	all := []phase{
		{"certificates and ports", c.prepare},
		{"etcd", c.startEtcd},
		{"kube-apiserver", c.startAPIServer},
		{"kube-controller-manager, kube-scheduler", c.startControllers},
		{"custom resource definitions", c.installDefinitions},
		{"kuberay-operator", c.startOperator},
		{"workflow-controller", c.startArgo},
	}
	if !chosen.full {
		return append(all, phase{"kwok, fake nodes", func(ctx context.Context) error { return c.startNodes(ctx, chosen) }})
	}
	network := phase{"network", func(ctx context.Context) error { return c.startRouter(ctx, chosen) }}
	return slices.Concat([]phase{network}, all, []phase{{"coredns", c.startDNS}, {"images", c.makeImages}, {"nodes", c.startRealNodes}})
}

// start goes through the phases, and prints the seconds of each.
func (c *cluster) start(ctx context.Context, chosen options) error {
	for _, phase := range c.phases(chosen) {
		began := time.Now()
		if err := phase.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
		took(c.out, phase.name, began)
	}
	return nil
}

func (c *cluster) prepare(context.Context) error {
	addresses := []net.IP{net.ParseIP(serviceAddress)}
	if c.real != nil {
		addresses = []net.IP{c.real.Network.API().AsSlice(), c.real.Network.Machine().AsSlice()}
	}
	p, err := newPKI(filepath.Join(c.dir, "pki"), addresses...)
	if err != nil {
		return err
	}
	c.pki = p
	if c.reader, err = newReader(p); err != nil {
		return err
	}
	// Another cluster that takes the same port before it is used makes this one fail, and none of both is mistaken for the other: they trust different authorities.
	for _, port := range []*int{&c.ports.etcd, &c.ports.peer, &c.ports.api, &c.ports.controllers, &c.ports.scheduler, &c.ports.operator} {
		if *port, err = loopback.FindPort(); err != nil {
			return err
		}
	}
	c.api = fmt.Sprintf("https://%s:%d", c.address, c.ports.api)
	return p.writeKubeconfig(c.kubeconfig(), c.api)
}

// kubectl changes things. Its own cache stays in the cluster's folder.
func (c *cluster) kubectl(ctx context.Context, input string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.built["kubectl"], append([]string{"--kubeconfig", c.kubeconfig(), "--cache-dir", filepath.Join(c.dir, "home", "kubectl")}, arguments...)...)
	command.Stdin = strings.NewReader(input)
	text, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, text)
	}
	return nil
}

// installDefinitions creates what is not there until all of it is served. Validation by kubectl would take half a minute of schemas.
func (c *cluster) installDefinitions(ctx context.Context) error {
	url := c.api + "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	names := []string{
		"rayclusters.ray.io", "rayjobs.ray.io", "rayservices.ray.io", "workflows.argoproj.io", "workflowtemplates.argoproj.io", "workflowtaskresults.argoproj.io",
	}
	return await(ctx, "the definitions of KubeRay's and Argo's objects", 2*time.Minute, nil, func(ctx context.Context) error {
		established := func() error {
			return c.reader.named(ctx, url, "definition", names, "Established", func(object) error { return nil })
		}
		if established() == nil {
			return nil
		}
		created := c.kubectl(ctx, "", "create", "--validate=false", "-f", c.built["kuberay/crds"], "-f", c.built["argo/crds"]) // fails for those that are there
		if err := established(); err != nil {
			return errors.Join(err, created)
		}
		return nil
	})
}

// startNodes creates nodes, and waits until KWOK has made them ready and the controllers have taken away the taints of new nodes.
func (c *cluster) startNodes(ctx context.Context, chosen options) error {
	p, err := c.startKWOK()
	if err != nil {
		return err
	}
	names := slices.Concat(names("spot", chosen.spotNodes), names("on-demand", chosen.onDemandNodes))
	all := slices.Concat(fakeNodes("spot", chosen.spotNodes), fakeNodes("on-demand", chosen.onDemandNodes))
	for some := range slices.Chunk(all, 250) { // kubectl makes them one by one, and has a minute
		manifest, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": some})
		if err != nil {
			return err
		}
		if err := c.kubectl(ctx, string(manifest), "create", "--validate=false", "-f", "-"); err != nil {
			return err
		}
	}
	return await(ctx, "nodes that are ready", time.Minute+time.Duration(len(all))*100*time.Millisecond, p, func(ctx context.Context) error {
		return c.reader.named(ctx, c.api+"/api/v1/nodes", "node", names, "Ready", func(node object) error {
			for _, taint := range node.Spec.Taints {
				if taint.Key != fake {
					return fmt.Errorf("has the taint %s", taint.Key)
				}
			}
			return nil
		})
	})
}

// fake is the annotation by which KWOK knows its nodes, and the taint that keeps pods away which do not tolerate to be pretended.
const fake = "kwok.x-k8s.io/node"

func names(capacity string, count int) []string {
	var all []string
	for i := range count {
		all = append(all, fmt.Sprintf("%s-%d", capacity, i+1))
	}
	return all
}

// fakeNodes are nodes with eight GPUs.
func fakeNodes(capacity string, count int) []any {
	size := map[string]string{"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": "8"}
	var all []any
	for _, name := range names(capacity, count) {
		all = append(all, map[string]any{
			"apiVersion": "v1", "kind": "Node",
			"metadata": map[string]any{
				"name": name, "annotations": map[string]string{fake: "fake"},
				"labels": map[string]string{"nightshift.dev/capacity-type": capacity, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
			},
			"spec":   map[string]any{"taints": []any{map[string]string{"key": fake, "value": "fake", "effect": "NoSchedule"}}},
			"status": map[string]any{"capacity": size, "allocatable": size},
		})
	}
	return all
}
