//go:build windows

package screen

import (
	"os"

	"golang.org/x/sys/windows"
)

// isDumb reports whether a terminal of this name can only write on. Consoles have no name.
func isDumb(name string) bool { return name == "dumb" }

// showsUTF8 reports whether the console takes UTF-8: Windows Terminal does, others say so by their code page.
func showsUTF8(getenv func(string) string) bool {
	const utf8CodePage = 65001
	if getenv("WT_SESSION") != "" || utf8Locale(getenv) {
		return true
	}
	page, err := windows.GetConsoleOutputCP()
	return err == nil && page == utf8CodePage
}

// enableEscapes asks the console behind file to understand escape sequences. Old ones cannot.
func enableEscapes(file *os.File) bool {
	console := windows.Handle(file.Fd())
	var mode uint32
	if windows.GetConsoleMode(console, &mode) != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
