package screen

import "testing"

// A card is drawn between two things the user waits for.
func BenchmarkCard(b *testing.B) {
	colour := screenOf(80)
	colour.Colour = true
	facts := near()
	for b.Loop() {
		Card(facts, colour, now)
	}
}
