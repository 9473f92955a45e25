package lease

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/windows"
)

// hold opens the file at path as the one by which a session runs. Windows drops a lock with the process that took it,
// whoever inherited the file. What an open file forbids others lasts as long as the last of those who have it open, so
// that is used instead: nobody can remove this file, or have it to himself.
func hold(path string) (*os.File, error) {
	return open(path, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE)
}

// isHeld reports whether some process has what hold opened. A virus scanner may, for a moment: then the process numbers
// tell.
func isHeld(path string) (bool, error) {
	file, err := open(path, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, file.Close()
}

func open(path string, share uint32) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ, share, nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}

// startWith starts cmd with file open. What else cdx starts does not get it: Go names every handle that is passed on.
func startWith(cmd *exec.Cmd, file *os.File) error {
	handle := windows.Handle(file.Fd())
	if err := windows.SetHandleInformation(handle, windows.HANDLE_FLAG_INHERIT, windows.HANDLE_FLAG_INHERIT); err != nil {
		return err
	}
	defer func() { _ = windows.SetHandleInformation(handle, windows.HANDLE_FLAG_INHERIT, 0) }()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.AdditionalInheritedHandles = append(cmd.SysProcAttr.AdditionalInheritedHandles, syscall.Handle(handle))
	return cmd.Start()
}

// startOf returns when the process started, in nanoseconds.
//
// Errors: errGone; others when it cannot be told.
func startOf(pid int) (string, error) {
	const access = windows.PROCESS_QUERY_LIMITED_INFORMATION | windows.SYNCHRONIZE
	handle, err := windows.OpenProcess(access, false, uint32(pid)) //nolint:gosec // Windows numbers them in 32 bits
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		return "", errGone
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = windows.CloseHandle(handle) }()
	if event, err := windows.WaitForSingleObject(handle, 0); err == nil && event == windows.WAIT_OBJECT_0 {
		return "", errGone // who started it has not let go of it yet
	}
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(handle, &created, &exited, &kernel, &user); err != nil {
		return "", err
	}
	return strconv.FormatInt(created.Nanoseconds(), 10), nil
}

// place names this machine. Its restarts need no telling apart: none of its processes starts twice at the same time.
func place() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
