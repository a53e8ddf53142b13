package release

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitEqual(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		a, b Split
		want bool
	}{
		"same":              {Split{50, 50}, Split{50, 50}, true},
		"same ratio":        {Split{50, 50}, Split{5000, 5000}, true},
		"all stable":        {Split{100, 0}, Split{1, 0}, true},
		"opposite":          {Split{100, 0}, Split{0, 100}, false},
		"a hundredth apart": {Split{9995, 5}, Split{9994, 6}, false},
		"no weights":        {Split{}, Split{}, false},
		"against nothing":   {Split{}, Split{100, 0}, false},
		"negative":          {Split{-50, 100}, Split{-50, 100}, false},
		"largest":           {Split{math.MaxInt32, math.MaxInt32}, Split{1, 1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, tc.a.Equal(tc.b))
			require.Equal(t, tc.want, tc.b.Equal(tc.a))
		})
	}
}

func TestSplitString(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		split       Split
		long, short string
	}{
		{Split{100, 0}, "stable 100 / canary 0", "100/0"},
		{Split{1, 1}, "stable 50 / canary 50", "50/50"},
		{Split{9995, 5}, "stable 99.95 / canary 0.05", "99.95/0.05"},
		{Split{2, 1}, "stable 66.67 / canary 33.33", "66.67/33.33"},
		{Split{}, "stable 0 / canary 0", "0/0"},
	} {
		require.Equal(t, tc.long, tc.split.String())
		require.Equal(t, tc.short, tc.split.Short())
	}
}

func TestGains(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		split, before  Split
		stable, canary bool
	}{
		"more":           {Split{90, 10}, Split{95, 5}, false, true},
		"less":           {Split{95, 5}, Split{90, 10}, true, false},
		"the same":       {Split{5000, 5000}, Split{50, 50}, false, false},
		"none before":    {Split{100, 0}, Split{}, true, false},
		"both at once":   {Split{99, 1}, Split{}, true, true},
		"finer":          {Split{9995, 5}, Split{100, 0}, false, true},
		"largest, equal": {Split{math.MaxInt32, math.MaxInt32}, Split{1, 1}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.stable, tc.split.Gains(Stable, tc.before))
			require.Equal(t, tc.canary, tc.split.Gains(Canary, tc.before))
		})
	}
}

func TestInProportion(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		split, before Split
		subset        string
		others, want  int
	}{
		"half of four":             {Split{50, 50}, Split{100, 0}, Canary, 4, 2},
		"all of four":              {Split{0, 100}, Split{100, 0}, Canary, 4, 4},
		"all, half is carried":     {Split{0, 100}, Split{50, 50}, Canary, 4, 8},
		"rounded up":               {Split{9995, 5}, Split{100, 0}, Canary, 4, 1},
		"back":                     {Split{100, 0}, Split{50, 50}, Stable, 3, 6},
		"others carry nothing":     {Split{0, 100}, Split{0, 100}, Canary, 4, 0},
		"nothing is known":         {Split{0, 100}, Split{}, Canary, 4, 0},
		"others have no ready pod": {Split{50, 50}, Split{100, 0}, Canary, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, tc.split.InProportion(tc.subset, tc.before, tc.others))
		})
	}
}

func TestPods(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pods        Pods
		asked, want int
		text        string
	}{
		"fixed":                  {Fixed(2), 5, 2, "2"},
		"fixed, scaled down":     {Fixed(2), 0, 2, "2"},
		"as the autoscaler says": {Pods{1, 3}, 2, 2, "1 to 3"},
		"fewer than allowed":     {Pods{1, 3}, 0, 1, "1 to 3"},
		"more than allowed":      {Pods{1, 3}, 9, 3, "1 to 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, tc.pods.Wanted(tc.asked))
			require.Equal(t, tc.text, tc.pods.String())
		})
	}
}

func TestIsService(t *testing.T) {
	t.Parallel()
	app := App{Namespace: "shop", Name: "cart", Hosts: []string{"cart.example.com"}}
	for host, want := range map[string]bool{
		"cart.shop":                        true,
		"cart.shop.svc":                    true,
		"cart.shop.svc.cluster.local":      true,
		"cart.shop.svc.corp.example":       true,
		"cart":                             false,
		"cart.other.svc.cluster.local":     false,
		"cart-canary.shop.svc":             false,
		"cart.shop.example.com":            false,
		"my-cart.shop.svc.cluster.local":   false,
		"cart.shop.svcs.cluster.local":     false,
		"x.cart.shop.svc.cluster.local":    false,
		"cart.shop-dev.svc.cluster.local.": false,
	} {
		require.Equal(t, want, app.IsService(host), host)
	}
}
