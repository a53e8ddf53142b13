package engine

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBridge(t *testing.T) {
	t.Parallel()
	const longestName = 15 // of an interface
	networks := map[netip.Prefix]string{}
	for _, id := range []string{"00000000", "99882e14", "e55aa214", "ffffffff"} {
		b := NewBridge(id)
		require.LessOrEqual(t, len(b.Name), longestName)
		address, err := netip.ParsePrefix(b.Address)
		require.NoError(t, err)
		require.Equal(t, address.Masked().Addr().Next(), address.Addr(), "the network's first address")
		require.Empty(t, networks[address.Masked()], "%s has the network of another", id)
		networks[address.Masked()] = id
	}
}
