// Command hungry takes memory until it is killed.
package main

import (
	"fmt"
	"time"
)

func main() {
	const piece = 8 << 20
	var eaten [][]byte
	for {
		next := make([]byte, piece)
		for i := range next {
			next[i] = 1 // memory that was never written to is not there
		}
		eaten = append(eaten, next)
		fmt.Println("took", len(eaten)*piece>>20, "MiB")
		time.Sleep(50 * time.Millisecond)
	}
}
