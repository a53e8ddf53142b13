package kube

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "two lines [31mred", OneLine(" two\nlines\x00 \x1b[31mred\xff\n"))
	require.Len(t, []rune(OneLine(strings.Repeat("\x00", 10)+strings.Repeat("ä", 2*maxMessage))), maxMessage+1)
}
