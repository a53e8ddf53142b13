package envoy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"canary/internal/release"
)

func TestParseExtras(t *testing.T) {
	t.Parallel()
	const (
		host   = `"app-example.app-example.localhost"`
		stable = `"outbound|80|stable|app-example.app-example.svc.cluster.local"`
		canary = `"outbound|80|canary|app-example.app-example.svc.cluster.local"`
		mirror = `"request_mirror_policies":[{"cluster":` + canary + `,"runtime_fraction":{"default_value":`
		byUser = `"hash_policy":[{"cookie":{"name":"v"},"terminal":true},{"header":{"header_name":"x-request-id"}}],`
		first  = `"match":{"prefix":"/","headers":[{"name":"cookie","invert_match":true,"string_match":{"safe_regex":{"regex":"v=.*"}}}]},`
	)
	dark := func(header string) string {
		return `{"match":{"prefix":"/","headers":[` + header + `]},"route":{"cluster":` + canary + `}},`
	}
	split := func(match, beside, draw string) string {
		return `{` + match + `"route":{` + beside + `"weighted_clusters":{` + draw + `"clusters":[{"name":` + stable + `,"weight":9},{"name":` + canary + `,"weight":1}]}}}`
	}
	const present, exact, hashed = `{"name":"x-canary","present_match":true}`, `{"name":"x-canary","string_match":{"exact":"1"}}`, `"use_hash_policy":true,`
	splits := []release.Split{{Stable: 9, Canary: 1}}
	for name, tc := range map[string]struct {
		routes string
		extras []release.Extras
		splits []release.Split
		odd    string
	}{
		"a header":              {dark(present) + split("", "", ""), []release.Extras{{Header: "x-canary"}}, splits, ""},
		"a header with a value": {dark(exact) + split("", "", ""), []release.Extras{{Header: "x-canary=1"}}, splits, ""},
		"two headers":           {dark(present) + dark(`{"name":"b"},{"name":"c"}`) + split("", "", ""), []release.Extras{{Header: "x-canary or b and c"}}, splits, ""},
		"without a header":      {dark(`{"name":"b","invert_match":true}`) + split("", "", ""), []release.Extras{{Header: "not b"}}, splits, ""},
		"a header alone":        {strings.TrimSuffix(dark(present), ","), nil, nil, "answers requests without the header x-canary without a route"},
		"a mirror":              {split("", mirror+`{"numerator":125000,"denominator":"MILLION"}}}],`, ""), []release.Extras{{Mirrored: 12.5}}, splits, ""},
		"a mirror, rounded":     {split("", mirror+`{"numerator":2899,"denominator":"MILLION"}}}],`, ""), []release.Extras{{Mirrored: 0.29}}, splits, ""},
		"a mirror of hundreds":  {split("", mirror+`{"numerator":5}}}],`, ""), []release.Extras{{Mirrored: 5}}, splits, ""},
		"a mirror elsewhere":    {split("", strings.ReplaceAll(mirror, "canary", "other")+`{"numerator":5}}}],`, ""), nil, splits, ""},
		"a cookie":              {split(first, byUser, hashed) + "," + split("", byUser, hashed), []release.Extras{{Cookie: "v"}}, splits, ""},
		"a cookie for pods":     {split("", byUser, ""), nil, splits, ""},
		"a cookie for some":     {split(first, byUser, hashed) + "," + split("", "", ""), []release.Extras{{Cookie: "v"}, {}}, splits, ""},
		"all": {
			dark(present) + split(first, byUser+mirror+`{"numerator":5}}}],`, hashed) + "," + split("", byUser+mirror+`{"numerator":5}}}],`, hashed),
			[]release.Extras{{Header: "x-canary", Mirrored: 5, Cookie: "v"}}, splits, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseRoutes(strings.NewReader(route(host, tc.routes)), exampleApp)
			require.NoError(t, err)
			require.Equal(t, Routes{Host: true, Splits: tc.splits, Extras: tc.extras, Odd: tc.odd}, got)
		})
	}
}

// The split is what counts, unless it is known what is wanted beside it.
func TestHoldsExtras(t *testing.T) {
	t.Parallel()
	split := release.Split{Stable: 9, Canary: 1}
	for name, tc := range map[string]struct {
		have []release.Extras
		want *release.Extras
		says string
	}{
		"not looked at":   {[]release.Extras{{Header: "x"}}, nil, ""},
		"nothing":         {nil, &release.Extras{}, ""},
		"as wanted":       {[]release.Extras{{Header: "x"}}, &release.Extras{Header: "x"}, ""},
		"missing":         {nil, &release.Extras{Cookie: "v"}, " and does not keep users on a version by the cookie v"},
		"missing for one": {[]release.Extras{{Mirrored: 5}, {}}, &release.Extras{Mirrored: 5}, " and mirrors 0 % of the requests in place of 5 %"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Routes{Host: true, Splits: []release.Split{split}, Extras: tc.have, Wanted: tc.want}
			require.Equal(t, tc.says == "", r.Holds(split))
			require.Equal(t, "serves stable 90 / canary 10"+tc.says, r.String())
		})
	}
}
