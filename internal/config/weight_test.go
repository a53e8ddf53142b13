package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWeight(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text           string
		weight         Weight
		canonical      string
		stable, canary int32
	}{
		{"0", 0, "0", 100, 0},
		{"0.00", 0, "0", 100, 0},
		{"0.01", 1, "0.01", 9999, 1},
		{"0.05", 5, "0.05", 9995, 5},
		{"0.1", 10, "0.1", 9990, 10},
		{"0.29", 29, "0.29", 9971, 29}, // 0.29 * 100 is 28.999999999999996 in floats
		{"1", 100, "1", 99, 1},
		{"1.10", 110, "1.1", 9890, 110},
		{"12.5", 1250, "12.5", 8750, 1250},
		{"50", 5000, "50", 50, 50},
		{"50.0", 5000, "50", 50, 50},
		{"99.99", 9999, "99.99", 1, 9999},
		{"100", 10000, "100", 0, 100},
		{"100.00", 10000, "100", 0, 100},
	} {
		weight, err := ParseWeight(tc.text)
		require.NoError(t, err, tc.text)
		require.Equal(t, tc.weight, weight, tc.text)
		require.Equal(t, tc.canonical, weight.String(), tc.text)
		stable, canary := weight.Split()
		require.Equal(t, []int32{tc.stable, tc.canary}, []int32{stable, canary}, tc.text)
		stable, canary = weight.Parts()
		require.Equal(t, []int32{10000 - int32(tc.weight), int32(tc.weight)}, []int32{stable, canary}, tc.text)
	}
}

func TestWeightRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "x", "-1", "+1", "100.01", "101", "1000", "1.", ".5", "1.234", "1,5", "1e1", "0x1", "05", "00", "5 ", " 5", "5%", "5\n",
		"NaN", "Inf", "1_0", "٥", "99999999999999999999",
	} {
		_, err := ParseWeight(text)
		require.ErrorIs(t, err, errNotAllowed, "%q", text)
	}
}
