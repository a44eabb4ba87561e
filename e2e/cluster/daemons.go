package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// readyWithin bounds the start of each daemon, on a machine that does other things, too.
const readyWithin = 3 * time.Minute

// daemon starts one of the built programs.
func (c *cluster) daemon(name string, environment []string, arguments ...string) (*process, error) {
	return start(c.dir, name, c.built[name], environment, arguments...)
}

// ready waits until a daemon says that it is.
func (c *cluster) ready(ctx context.Context, p *process, url string) error {
	return await(ctx, p.name+" to be ready", readyWithin, p, func(ctx context.Context) error { return c.reader.get(ctx, url, nil) })
}

func loopbackURL(scheme string, port int, path string) string {
	return fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, port, path)
}

// startEtcd keeps everything in the cluster's folder. It does not wait for the disk: the data do not outlive the cluster.
func (c *cluster) startEtcd(ctx context.Context) error {
	clients, peers := loopbackURL("https", c.ports.etcd, ""), loopbackURL("https", c.ports.peer, "")
	p, err := c.daemon("etcd", nil,
		"--name=only", "--data-dir="+filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+clients, "--advertise-client-urls="+clients,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=only="+peers,
		"--client-cert-auth", "--trusted-ca-file="+c.pki.path("authority.crt"), "--cert-file="+c.pki.path("server.crt"), "--key-file="+c.pki.path("server.key"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file="+c.pki.path("authority.crt"), "--peer-cert-file="+c.pki.path("server.crt"), "--peer-key-file="+c.pki.path("server.key"),
	)
	if err != nil {
		return err
	}
	return c.ready(ctx, p, clients+"/readyz")
}

// startAPIServer keeps its heap small: half of it is garbage otherwise. Where nodes are pretended nobody asks for the endpoints of the
// service "kubernetes", and the loopback address may not be one.
func (c *cluster) startAPIServer(ctx context.Context) error {
	own := []string{"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=" + serviceRange}
	if c.real != nil {
		own = c.real.apiServer(c.pki)
	}
	p, err := c.daemon("kube-apiserver", []string{"GOMEMLIMIT=400MiB", "GOGC=50"}, append(own,
		fmt.Sprintf("--secure-port=%d", c.ports.api),
		"--tls-cert-file="+c.pki.path("server.crt"), "--tls-private-key-file="+c.pki.path("server.key"), "--client-ca-file="+c.pki.path("authority.crt"),
		"--etcd-servers="+loopbackURL("https", c.ports.etcd, ""),
		"--etcd-cafile="+c.pki.path("authority.crt"), "--etcd-certfile="+c.pki.path("server.crt"), "--etcd-keyfile="+c.pki.path("server.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+c.pki.path("accounts.key"), "--service-account-signing-key-file="+c.pki.path("accounts.key"),
		"--authorization-mode=RBAC", "--allow-privileged=true",
	)...)
	if err != nil {
		return err
	}
	return c.ready(ctx, p, c.api+"/readyz")
}

// startControllers waits for the account that every pod needs, which is the work of one of the controllers.
func (c *cluster) startControllers(ctx context.Context) error {
	serving := func(port int) []string {
		return []string{
			"--kubeconfig=" + c.kubeconfig(), "--leader-elect=false", "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
			"--tls-cert-file=" + c.pki.path("server.crt"), "--tls-private-key-file=" + c.pki.path("server.key"),
		}
	}
	controllers, err := c.daemon("kube-controller-manager", nil, append(serving(c.ports.controllers),
		"--service-account-private-key-file="+c.pki.path("accounts.key"), "--root-ca-file="+c.pki.path("authority.crt"),
		fmt.Sprintf("--node-monitor-grace-period=%s", c.lostAfter()),
		"--kube-api-qps=200", "--kube-api-burst=400", // with the 20 of its own, taints of a thousand new nodes last for minutes
	)...)
	if err != nil {
		return err
	}
	scheduler, err := c.daemon("kube-scheduler", nil, serving(c.ports.scheduler)...)
	if err != nil {
		return err
	}
	if err := c.ready(ctx, scheduler, loopbackURL("https", c.ports.scheduler, "/readyz")); err != nil {
		return err
	}
	return c.ready(ctx, controllers, c.api+"/api/v1/namespaces/default/serviceaccounts/default")
}

// lostAfter is how long a node may say nothing. Kubelets of these clusters speak every two seconds, nodes that are pretended less often.
func (c *cluster) lostAfter() time.Duration {
	if c.real != nil {
		return 10 * time.Second
	}
	return 50 * time.Second // as by default
}

// startOperator leaves out what waits for real pods: workers do not wait for their head in an init container.
func (c *cluster) startOperator(ctx context.Context) error {
	p, err := c.daemon("kuberay-operator", []string{"ENABLE_INIT_CONTAINER_INJECTION=false"},
		"--kubeconfig="+c.kubeconfig(), "--enable-leader-election=false", "--use-kubernetes-proxy",
		"--metrics-addr=0", fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", c.ports.operator))
	if err != nil {
		return err
	}
	return c.ready(ctx, p, loopbackURL("http", c.ports.operator, "/readyz"))
}

// argoNamespace is where Argo's controller finds its settings.
const argoNamespace = "argo"

// argoSettings: no metrics, whose port is fixed otherwise; nobody names a template of another place.
const argoSettings = `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: argo}}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: workflow-controller-configmap, namespace: argo}
  data:
    metricsConfig: "{enabled: false}"
    workflowRestrictions: "{templateReferencing: Strict}"
`

// startArgo lets what waits be looked at within a second, where others wait for ten. Workflows have to name a WorkflowTemplate (templateReferencing: Strict), as in
// clusters that are careful: whoever works there works without, too.
func (c *cluster) startArgo(ctx context.Context) error {
	if err := c.kubectl(ctx, argoSettings, "create", "--validate=false", "-f", "-"); err != nil {
		return err
	}
	p, err := c.daemon("workflow-controller", []string{"DEFAULT_REQUEUE_TIME=1s", "SEMAPHORE_NOTIFY_DELAY=200ms"}, c.kubeconfig(), argoNamespace)
	if err != nil {
		return err
	}
	return await(ctx, p.name+" to work", readyWithin, p, func(context.Context) error {
		text, err := os.ReadFile(p.log)
		if err == nil && !bytes.Contains(text, []byte("Starting Workflow Controller")) {
			err = fmt.Errorf("%s does not say so", p.log)
		}
		return err
	})
}

// startKWOK leaves its stages as they are built in: nodes become ready and stay so, pods run at once.
func (c *cluster) startKWOK() (*process, error) {
	return c.daemon("kwok", nil, "--kubeconfig="+c.kubeconfig(), "--manage-all-nodes=false", "--manage-nodes-with-annotation-selector="+fake+"=fake", "--node-ip=127.0.0.1")
}
