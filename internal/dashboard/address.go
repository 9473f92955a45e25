package dashboard

import (
	"net/url"
	"strconv"
)

// address is a page's address in the making. What is as it is anyway is left out of it.
type address struct {
	path   string
	values url.Values
}

func newAddress(path string) *address { return &address{path, url.Values{}} }

func (a *address) set(name, value string) { a.values.Set(name, value) }

func (a *address) text(name, value, usual string) {
	if value != usual {
		a.values.Set(name, value)
	}
}

func (a *address) number(name string, value, usual int) {
	a.text(name, strconv.Itoa(value), strconv.Itoa(usual))
}

// String is the address, its parameters in the order of their names.
func (a *address) String() string {
	if len(a.values) == 0 {
		return a.path
	}
	return a.path + "?" + a.values.Encode()
}
