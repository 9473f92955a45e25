package quota_test

import (
	"testing"

	"github.com/cdxgate/cdxgate/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
