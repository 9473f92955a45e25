//go:build !windows

package screen

import "os"

// isDumb reports whether a terminal of this name can only write on. One without a name is not trusted with more.
func isDumb(name string) bool { return name == "" || name == "dumb" }

// showsUTF8 reports whether the terminal takes UTF-8: the locale is all that tells.
func showsUTF8(getenv func(string) string) bool { return utf8Locale(getenv) }

// enableEscapes does nothing: a terminal that is not dumb understands them.
func enableEscapes(*os.File) bool { return true }
