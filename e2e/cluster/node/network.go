package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Network of a cluster. Between the machine and the nodes stands a network namespace, the router: it forwards, so that the machine does not
// have to. Interfaces and routes end with the namespaces they lead to.
type Network struct {
	Interface string       // on the machine, to the router
	Nodes     netip.Prefix // a /16; 0.1 the machine, 0.2 the router, N.1 the router as node N sees it, N.2 node N
	Pods      netip.Prefix // a /16; node N has the Nth /24
	Services  netip.Prefix // a /16, known to kube-proxy alone
}

// MostNodes that a network has numbers for.
const MostNodes = 254

// NewNetwork takes ranges that nobody on the machine has. The name of the interface tells clusters in different folders apart.
func NewNetwork(ctx context.Context, folder string) (Network, error) {
	taken, err := takenRanges(ctx)
	if err != nil {
		return Network{}, err
	}
	free, err := freeRanges(taken)
	return Network{Interface: Label(folder), Nodes: free.nodes, Pods: free.pods, Services: free.services}, err
}

// Label of a cluster's folder, in names of what is not in it. The kernel's limit for an interface is 15 characters.
func Label(folder string) string {
	sum := sha256.Sum256([]byte(folder))
	return fmt.Sprintf("night-%x", sum[:4])
}

// takenRanges has every route of every table, and every address.
func takenRanges(ctx context.Context) ([]netip.Prefix, error) {
	text, err := execute(ctx, "", "ip", "-4", "-json", "route", "show", "table", "all")
	if err != nil {
		return nil, err
	}
	var routes []struct{ Dst string }
	if err := json.Unmarshal(text, &routes); err != nil {
		return nil, fmt.Errorf("routes of this machine: %w", err)
	}
	var taken []netip.Prefix
	for _, route := range routes {
		if prefix, err := netip.ParsePrefix(route.Dst); err == nil {
			taken = append(taken, prefix)
		} else if address, err := netip.ParseAddr(route.Dst); err == nil {
			taken = append(taken, netip.PrefixFrom(address, 32))
		} else if route.Dst != "default" {
			return nil, fmt.Errorf("a route of this machine leads to %q, which is no range", route.Dst)
		}
	}
	addresses, err := net.InterfaceAddrs()
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			taken = append(taken, prefix.Masked())
		}
	}
	return taken, err
}

func at(prefix netip.Prefix, third, fourth int) netip.Addr {
	four := prefix.Addr().As4()
	four[2], four[3] = byte(third), byte(fourth)
	return netip.AddrFrom4(four)
}

// Machine is the address under which nodes and pods reach what listens outside.
func (n Network) Machine() netip.Addr { return at(n.Nodes, 0, 1) }

// Router is where names are asked for: it outlives each node.
func (n Network) Router() netip.Addr { return at(n.Nodes, 0, 2) }

// Node is the address of a node, by its number from 1 on.
func (n Network) Node(number int) netip.Addr { return at(n.Nodes, number, 2) }

// API is the address of the service "kubernetes".
func (n Network) API() netip.Addr { return at(n.Services, 0, 1) }

func (n Network) gateway(number int) netip.Addr { return at(n.Nodes, number, 1) }

func (n Network) podsOf(number int) netip.Prefix { return netip.PrefixFrom(at(n.Pods, number, 0), 24) }

// ConnectRouter joins the machine and the namespace of a process, the router, and leads to nodes and pods through it. A range that
// somebody has taken meanwhile makes it fail.
func (n Network) ConnectRouter(ctx context.Context, router int) error {
	if err := links(ctx, 0,
		fmt.Sprintf("link add %s type veth peer name machine netns %d", n.Interface, router),
		fmt.Sprintf("addr add %s/24 dev %s", n.Machine(), n.Interface), fmt.Sprintf("link set %s up", n.Interface)); err != nil {
		return err
	}
	if err := links(ctx, router, "link set lo up", fmt.Sprintf("addr add %s/24 dev machine", n.Router()), "link set machine up"); err != nil {
		return err
	}
	return links(ctx, 0, fmt.Sprintf("route add %s via %s dev %s", n.Nodes, n.Router(), n.Interface), fmt.Sprintf("route add %s via %s dev %s", n.Pods, n.Router(), n.Interface))
}

// ConnectNode joins the router and the namespace of a node's process. The kernel may not have taken away yet what led to the node of that
// number before.
func (n Network) ConnectNode(ctx context.Context, router, process, number int) error {
	name := fmt.Sprintf("node%d", number)
	if links(ctx, router, "link show "+name) == nil {
		if err := links(ctx, router, "link delete "+name); err != nil && links(ctx, router, "link show "+name) == nil {
			return err
		}
	}
	if err := links(ctx, router,
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", name, process), fmt.Sprintf("addr add %s/24 dev %s", n.gateway(number), name),
		fmt.Sprintf("link set %s up", name), fmt.Sprintf("route add %s via %s dev %s", n.podsOf(number), n.Node(number), name)); err != nil {
		return err
	}
	return links(ctx, process, "link set lo up", fmt.Sprintf("addr add %s/24 dev eth0", n.Node(number)), "link set eth0 up", fmt.Sprintf("route add default via %s", n.gateway(number)))
}

// Gone says whether the machine's interface to the router, and the routes with it, have ended.
func (n Network) Gone() bool {
	_, err := net.InterfaceByName(n.Interface)
	return err != nil
}

// links gives commands to ip(8) in the network namespace of a process; 0: in that of the machine.
func links(ctx context.Context, process int, commands ...string) error {
	arguments := []string{"ip", "-batch", "-"}
	if process != 0 {
		arguments = append(Inside(process), arguments...)
	}
	_, err := execute(ctx, strings.Join(commands, "\n"), arguments...)
	return err
}

// Inside begins a command that runs in the network namespace of a process. The command has the number of the process that it is started as.
func Inside(process int) []string {
	return []string{"nsenter", "--net=/proc/" + strconv.Itoa(process) + "/ns/net", "--"}
}

func execute(ctx context.Context, input string, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Stdin = strings.NewReader(input)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	text, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s%s", strings.Join(arguments, " "), err, strings.TrimSpace(complaints.String()), because(input))
	}
	return text, err
}

func because(input string) string {
	if input == "" {
		return ""
	}
	return "\nof\n" + input
}
