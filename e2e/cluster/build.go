package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// set is what is built from one module, whose go.mod and go.sum stand in tools/NAME: each set has its own, because they do not agree on the
// versions of what they need.
type set struct {
	name     string
	module   string
	version  string
	programs []source
	link     string // flags of the linker, beside those that leave out symbols
	crds     string // folder of the module with custom resource definitions; empty: it has none
}

type source struct{ program, pkg string }

const (
	kubernetesVersion = "v1.35.4"
	kubernetesLink    = "-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion + " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35"
	argoVersion       = "v3.7.18"
)

// sets in the order of their size: what is wrong with the machine shows early.
var sets = []set{
	{name: "etcd", module: "go.etcd.io/etcd/server/v3", version: "v3.6.5", programs: []source{{"etcd", "go.etcd.io/etcd/server/v3"}}},
	{name: "kwok", module: "sigs.k8s.io/kwok", version: "v0.7.0", programs: []source{{"kwok", "sigs.k8s.io/kwok/cmd/kwok"}}},
	{
		name: "kuberay", module: "github.com/ray-project/kuberay/ray-operator", version: "v1.6.2", crds: "config/crd/bases",
		programs: []source{{"kuberay-operator", "github.com/ray-project/kuberay/ray-operator"}},
	},
	{
		name: "argo", module: "github.com/argoproj/argo-workflows/v3", version: argoVersion, crds: "manifests/base/crds/minimal",
		link:     "-X github.com/argoproj/argo-workflows/v3.version=" + argoVersion,
		programs: []source{{"workflow-controller", "."}},
	},
	{
		name: "kubernetes", module: "k8s.io/kubernetes", version: kubernetesVersion,
		link: kubernetesLink,
		programs: []source{
			{"kubectl", "k8s.io/kubernetes/cmd/kubectl"}, {"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"},
			{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"}, {"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
		},
	},
}

// realSets are what real nodes need beside that.
var realSets = []set{
	{
		name: "kubelet", module: "k8s.io/kubernetes", version: kubernetesVersion, link: kubernetesLink,
		programs: []source{{"kubelet", "k8s.io/kubernetes/cmd/kubelet"}, {"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"}},
	},
	{name: "coredns", module: "github.com/coredns/coredns", version: "v1.12.4", programs: []source{{"coredns", "github.com/coredns/coredns"}}},
}

// built is where programs and folders of the sets are.
type built map[string]string

// find looks sets up in the cache. missing are those that are not there.
func find(wanted []set, tools, cache string) (found built, missing []set, err error) {
	found = built{}
	for _, s := range wanted {
		dir, err := s.folder(tools, cache)
		if err != nil {
			return nil, nil, err
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, s)
		} else if err != nil {
			return nil, nil, err
		}
		for _, p := range s.programs {
			found[p.program] = filepath.Join(dir, p.program)
		}
		if s.crds != "" {
			found[s.name+"/crds"] = filepath.Join(dir, "crds")
		}
	}
	return found, missing, nil
}

// folder of the set in the cache, by everything that decides what is built.
func (s set) folder(tools, cache string) (string, error) {
	key := sha256.New()
	fmt.Fprintf(key, "%+v %s %s\n", s, runtime.Version(), runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(filepath.Join(tools, s.name, name))
		if name == "main.go" && errors.Is(err, fs.ErrNotExist) {
			continue // its programs are others' commands
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(key, "%s %d\n%s", name, len(text), text)
	}
	return filepath.Join(cache, fmt.Sprintf("%s-%s-%x", s.name, s.version, key.Sum(nil)[:6])), nil
}

// build makes what is missing. One command at a time builds on a machine: the next one finds it done.
func build(ctx context.Context, wanted []set, tools, cache string, out io.Writer) (built, error) {
	found, missing, err := find(wanted, tools, cache)
	if err != nil || len(missing) == 0 {
		return found, err
	}
	compiler, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("%w: Kubernetes and what runs beside it are built once, from source, by Go %s", err, strings.TrimPrefix(runtime.Version(), "go"))
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("%w: NIGHTSHIFT_CACHE names another folder for what is built", err)
	}
	release, err := lockCache(ctx, cache, out)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := removeHalves(cache); err != nil {
		return nil, err
	}
	found, missing, err = find(wanted, tools, cache)
	if err != nil {
		return nil, err
	}
	for _, s := range missing {
		if err := s.build(ctx, compiler, tools, cache, out); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func lockCache(ctx context.Context, cache string, out io.Writer) (release func(), err error) {
	path := filepath.Join(cache, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	release = func() { file.Close() } //nolint:errcheck // nothing was written
	told := false
	err = await(ctx, "another command that builds, by the lock "+path, time.Hour, nil, func(context.Context) error {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil && !told {
			fmt.Fprintln(out, "another command builds: waiting for it")
			told = true
		}
		return err
	})
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// removeHalves deletes what a command has left that was killed while it built.
func removeHalves(cache string) error {
	halves, err := filepath.Glob(filepath.Join(cache, half+"*"))
	for _, folder := range halves {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// half is how names of folders begin that are not complete.
const half = "half-"

// build fills a folder beside that of the set and renames it when it is complete.
func (s set) build(ctx context.Context, compiler, tools, cache string, out io.Writer) error {
	folder, err := s.folder(tools, cache)
	if err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(cache, half)
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished) //nolint:errcheck // it is a cache, and the next name differs
	module := filepath.Join(tools, s.name)
	for _, p := range s.programs {
		began := time.Now()
		if _, err := tool(ctx, compiler, module, "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", strings.TrimSpace("-s -w "+s.link), "-o", filepath.Join(unfinished, p.program), p.pkg); err != nil {
			return fmt.Errorf("%s %s was not built: %w", p.program, s.version, err)
		}
		took(out, "built "+p.program+" "+s.version, began)
	}
	if s.crds != "" {
		source, err := tool(ctx, compiler, module, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", s.module)
		if err == nil {
			err = os.CopyFS(filepath.Join(unfinished, "crds"), os.DirFS(filepath.Join(strings.TrimSpace(source), s.crds)))
		}
		if err != nil {
			return fmt.Errorf("custom resource definitions of %s: %w", s.module, err)
		}
	}
	if err := os.Chmod(unfinished, 0o755); err != nil { //nolint:gosec // a cache of programs, as others are
		return err
	}
	return os.Rename(unfinished, folder)
}

// tool runs the go command in a module of the tools. Workspaces and the C compiler of the machine change nothing.
func tool(ctx context.Context, compiler, module string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, compiler, arguments...)
	command.Dir = module
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	text, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("go %s in %s: %w\n%s", arguments[0], module, err, exit.Stderr)
	}
	return string(text), err
}

// toolsFolder is that of the repository which the working directory is in.
func toolsFolder() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		tools := filepath.Join(dir, "e2e", "cluster", "tools")
		if _, err := os.Stat(tools); err == nil {
			return tools, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("e2e/cluster/tools, which says what is built, is not found from %s upwards: run this in the repository", start)
		}
	}
}

// cacheFolder is the clusters' part of the project's cache.
func cacheFolder() (string, error) {
	if dir := os.Getenv("NIGHTSHIFT_CACHE"); dir != "" {
		return filepath.Join(dir, "cluster"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: NIGHTSHIFT_CACHE names a folder for what is built", err)
	}
	return filepath.Join(dir, "nightshift", "cluster"), nil
}

// took prints a phase and its seconds.
func took(out io.Writer, phase string, began time.Time) {
	fmt.Fprintf(out, "%-40s %7.1f s\n", phase, time.Since(began).Seconds())
}
