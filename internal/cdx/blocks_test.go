package cdx

import (
	"testing"

	"github.com/cdxgate/cdxgate/internal/api"
)

// A block that is known by its ETag alone is asked for: the gateway sends none that a machine says it has.
func TestABlockWithoutDataIsAskedFor(t *testing.T) {
	t.Parallel()
	h := home{t.TempDir()}
	h.saveBlocks(blocks{api.BlockHost: {ETag: "1"}, api.BlockPolicy: {ETag: "2", Data: []byte("{}")}})
	if got := h.loadBlocks().etags(); len(got) != 1 || got[api.BlockPolicy] != "2" {
		t.Errorf("got ETags %v, want that of the block that is here", got)
	}
}
