package library

import "strings"

// FrontMatter reads what a Markdown file says about itself before its text: between a first line "---" and the next
// such line, "name: value" by line (contract/host-api.md 8.1). Nil: the file does not say. The last of several counts;
// quotes are part of a value.
func FrontMatter(content string) (description, argumentHint *string) {
	lines := splitLines(content)
	if len(lines) == 0 || strings.TrimSpace(lines[0]) != fence {
		return nil, nil
	}
	end := 1
	for end < len(lines) && strings.TrimSpace(lines[end]) != fence {
		end++
	}
	if end == len(lines) {
		return nil, nil
	}
	for _, line := range lines[1:end] {
		name, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "description":
			description = &value
		case "argument-hint":
			argumentHint = &value
		}
	}
	return description, argumentHint
}

const fence = "---"

// splitLines splits at every way to end a line: LF, CRLF, CR.
func splitLines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
}
