package release

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExtras(t *testing.T) {
	t.Parallel()
	all := Extras{Header: "x-canary=1", Mirrored: 12.5, Cookie: "v"}
	require.Equal(t, []string{
		"requests with the header x-canary: 1 always reach the canary",
		"12.5 % of the requests are mirrored to the canary",
		"users are kept on a version by the cookie v",
	}, all.Lines())
	require.Empty(t, Extras{}.Lines())

	require.Empty(t, all.Differs(all))
	require.Equal(t, "does not send requests with the header x-canary: 1 to the canary and mirrors 0 % of the requests in place of 12.5 % "+
		"and does not keep users on a version by the cookie v", Extras{}.Differs(all))
	require.Equal(t, "sends requests with the header x-canary: 1 to the canary", all.Differs(Extras{}))
	require.Equal(t, "sends requests with the header x to the canary and does not send requests with the header y to the canary",
		Extras{Header: "x"}.Differs(Extras{Header: "y"}))
}
