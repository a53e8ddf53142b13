package machine

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Busy is the share of the processors' time, 0 to 1, that was used during a time
// from now on; 0 where there is no /proc/stat.
func Busy(during time.Duration) float64 {
	busyBefore, allBefore := ticks()
	time.Sleep(during)
	busy, all := ticks()
	if all == allBefore {
		return 0
	}
	return float64(busy-busyBefore) / float64(all-allBefore)
}

// ticks are those of all processors since the start of the machine.
func ticks() (busy, all int) {
	const idle, ioWait = 3, 4
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(line)[1:] {
		n, _ := strconv.Atoi(field)
		all += n
		if i != idle && i != ioWait {
			busy += n
		}
	}
	return busy, all
}
