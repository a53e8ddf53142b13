package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os/exec"
	"strings"
)

// Bridge is a network interface of this machine for an engine's containers.
type Bridge struct {
	Name    string
	Address string // with the network's length
}

// NewBridge gives the bridge of the engine with this id, of at most eight characters. Its network is a small one that no
// other engine of this machine is likely to have.
func NewBridge(id string) Bridge {
	sum := sha256.Sum256([]byte(id))
	return Bridge{Name: "canary-" + id, Address: fmt.Sprintf("10.213.%d.%d/28", sum[0], sum[1]&^15+1)}
}

// IP is the address of this machine there.
func (b Bridge) IP() string {
	ip, _, _ := strings.Cut(b.Address, "/")
	return ip
}

func (b Bridge) exists() bool {
	_, err := net.InterfaceByName(b.Name)
	return err == nil
}

// add makes the bridge, unless an engine that was killed left it.
func (b Bridge) add(ctx context.Context) error {
	if b.exists() {
		return nil
	}
	for _, args := range [][]string{
		{"link", "add", "name", b.Name, "type", "bridge"}, {"address", "add", b.Address, "dev", b.Name}, {"link", "set", b.Name, "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func (b Bridge) remove(ctx context.Context) error {
	if !b.exists() {
		return nil
	}
	return ip(ctx, "link", "delete", b.Name)
}

func ip(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}
