// Package unasked answers a question before it is put. As soon as a program that has
// bubbletea in it starts, whatever it is started for, that asks the terminal for its
// background colour, and one that does not answer holds the program up for seconds. Nothing
// that is drawn here depends on the colour.
//
// It works because Go initializes the packages whose imports are initialized in the order of
// their paths, and this one comes before bubbletea.
package unasked

import "github.com/charmbracelet/lipgloss"

var _ = answered()

func answered() bool {
	lipgloss.SetHasDarkBackground(true)
	return true
}
