package templates

import (
	"context"
	"fmt"
	"io"

	"github.com/a-h/templ"
)

// icons are the drawings, by what they stand for: lines on a field of 16 by 16.
var icons = map[string]string{
	"search":   `<circle cx="7" cy="7" r="4.2"/><path d="m10.2 10.2 3.3 3.3"/>`,
	"overview": `<path d="M2.5 9.5 8 3l5.5 6.5M4.5 8v5h7V8"/>`,
	"host":     `<rect x="2.5" y="2.5" width="11" height="4.5" rx="1.2"/><rect x="2.5" y="9" width="11" height="4.5" rx="1.2"/><path d="M5 4.75h.01M5 11.25h.01M8 4.75h3M8 11.25h3"/>`,
	"key":      `<circle cx="5.2" cy="10.8" r="2.7"/><path d="m7.2 8.8 5.8-5.8M10.5 5.5l2 2"/>`,
	"usage":    `<path d="M2.5 13.5h11M4 11V8M8 11V3M12 11V5.5"/>`,
	"quota":    `<path d="M2.6 11.5a5.9 5.9 0 1 1 10.8 0M8 9.2l2.6-3"/><circle cx="8" cy="9.6" r=".9"/>`,
	"command":  `<path d="M10 3 6 13"/><path d="M3.5 5.5 2 8l1.5 2.5M12.5 5.5 14 8l-1.5 2.5"/>`,
	"audit":    `<path d="M3.5 2.5h9v11h-9zM5.8 5.5h4.4M5.8 8h4.4M5.8 10.5h2.4"/>`,
	"verified": `<path d="M8 2.2 13 4v4c0 3-2 5-5 6-3-1-5-3-5-6V4z"/><path d="m5.8 8 1.6 1.6L10.4 6.5"/>`,
	"settings": `<path d="M2.5 5h6M12 5h1.5M2.5 11H4M7.5 11h6"/><circle cx="10.2" cy="5" r="1.7"/><circle cx="5.8" cy="11" r="1.7"/>`,
	"shield":   `<path d="M8 2.2 13 4v4c0 3-2 5-5 6-3-1-5-3-5-6V4z"/>`,
	"power":    `<path d="M8 2.5v5M4.7 4.5a5 5 0 1 0 6.6 0"/>`,
	"theme":    `<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor"/>`,
	"light":    `<circle cx="8" cy="8" r="2.8"/><path d="M8 1.8v1.4M8 12.8v1.4M1.8 8h1.4M12.8 8h1.4M3.6 3.6l1 1M11.4 11.4l1 1M3.6 12.4l1-1M11.4 4.6l1-1"/>`,
	"dark":     `<path d="M13 9.6A5.6 5.6 0 0 1 6.4 3a5.6 5.6 0 1 0 6.600 6.600z"/>`,
	"screen":   `<rect x="2" y="3" width="12" height="8" rx="1.2"/><path d="M6 13.500h4M8 11v2.500"/>`,
	"help":     `<circle cx="8" cy="8" r="5.7"/><path d="M6.3 6.3a1.7 1.7 0 1 1 2.5 1.5c-.6.3-.8.7-.8 1.3M8 11.3h.01"/>`,
	"download": `<path d="M8 2.5v8M4.5 7 8 10.5 11.5 7M3 13.5h10"/>`,
	"upload":   `<path d="M8 10.5v-8M4.5 6 8 2.5 11.5 6M3 13.5h10"/>`,
	"filter":   `<path d="M2.5 4h11M4.5 8h7M6.5 12h3"/>`,
	"chevron":  `<path d="m6 3.5 4.5 4.5L6 12.5"/>`,
	"user":     `<circle cx="8" cy="5.5" r="2.7"/><path d="M3 13.5c.5-2.800 2.500-4 5-4s4.500 1.200 5 4"/>`,
	"bad":      `<path d="M5.6 2.3h4.8l3.3 3.3v4.8l-3.3 3.3H5.6l-3.3-3.3V5.6z"/><path d="m6 6 4 4M10 6l-4 4"/>`,
	"terminal": `<rect x="2" y="3" width="12" height="10" rx="1.3"/><path d="m4.5 6 2 2-2 2M8.5 10h3"/>`,
	"menu":     `<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11"/>`,
	"never":    `<circle cx="8" cy="8" r="5.7" stroke-dasharray="2.2 2.3"/>`,
	"add":      `<path d="M8 3v10M3 8h10"/>`,
	"remove":   `<path d="M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4"/>`,
	"refresh":  `<path d="M13.2 7A5.3 5.3 0 0 0 3.5 5.5M2.8 9a5.3 5.3 0 0 0 9.7 1.5M3.3 2.5v3h3M12.7 13.5v-3h-3"/>`,
	"more":     `<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.2"/>`,
	"ok":       `<circle cx="8" cy="8" r="5.7"/><path d="m5.5 8.2 1.8 1.8 3.3-3.7"/>`,
	"behind":   `<circle cx="8" cy="8" r="5.7"/><path d="M8 5v6M5.7 8.7 8 11l2.3-2.3"/>`,
	"expires":  `<path d="M4.5 2.5h7M4.5 13.5h7M5.3 2.5c0 3 2.700 3.500 2.700 5.500s-2.700 2.500-2.700 5.500M10.7 2.5c0 3-2.700 3.500-2.700 5.500s2.700 2.500 2.700 5.500"/>`,
	"paused":   `<circle cx="8" cy="8" r="5.7"/><path d="M6.5 6v4M9.5 6v4"/>`,
	"roaming":  `<circle cx="8" cy="8" r="5.7"/><path d="M2.5 8h11M8 2.300c3 3.400 3 8 0 11.400M8 2.300c-3 3.400-3 8 0 11.400"/>`,
	"close":    `<path d="m4 4 8 8M12 4l-8 8"/>`,
	"warn":     `<path d="M8 2.5 14 13H2z"/><path d="M8 6.5v3M8 11.2h.01"/>`,
	"info":     `<circle cx="8" cy="8" r="5.7"/><path d="M8 7.3v3.5M8 5.2h.01"/>`,
	"reveal":   `<path d="M1.8 8S4 3.8 8 3.8 14.2 8 14.2 8 12 12.2 8 12.2 1.8 8 1.8 8z"/><circle cx="8" cy="8" r="1.9"/>`,
	"undo":     `<path d="M6 3.5 2.5 7 6 10.5M2.5 7h7a4 4 0 0 1 0 6.500H7"/>`,
	"copy":     `<rect x="5.5" y="5.5" width="8" height="8" rx="1.3"/><path d="M3.5 10.5h-1v-8h8v1"/>`,
	"check":    `<path d="m3 8.5 3.3 3.3L13 5"/>`,
	"locked":   `<rect x="3.5" y="7" width="9" height="6.5" rx="1.3"/><path d="M5.5 7V5a2.500 2.500 0 0 1 5 0v2"/>`,
	"edit":     `<path d="m3 13 .6-2.800L10.8 3l2.200 2.200-7.200 7.200z"/>`,
	"up":       `<path d="M8 13V3.5M4 7.2l4-4 4 4"/>`,
	"pin":      `<path d="M8 9.5V14M5 2.5h6l-.7 4 1.700 3H4l1.700-3z"/>`,
	"columns":  `<rect x="2.5" y="3" width="11" height="10" rx="1.3"/><path d="M6.2 3v10M9.8 3v10"/>`,
	"vip":      `<path d="m8 2.3 1.700 3.600 3.900.5-2.900 2.700.8 3.900L8 11.100 4.500 13l.8-3.900L2.400 6.400l3.900-.5z"/>`,
	"window":   `<circle cx="8" cy="8.5" r="5.2"/><path d="M8 8.5v-3M6.3 1.7h3.4"/>`,
	"open":     `<path d="M3 8h10M9 4l4 4-4 4"/>`,
	"moved":    `<path d="M3 12.5 7 8.500M3 4l4 4.500h6.500M10.5 5.500l3 3-3 3"/>`,
	"notify":   `<path d="M4 11V7.500a4 4 0 0 1 8 0V11l1 1.500H3zM6.7 14h2.600"/>`,
	"logout":   `<path d="M6.5 3h-3v10h3M7 8h6.500M10.500 5l3 3-3 3"/>`,
}

// Icon draws an icon of the list. What it stands for must be said beside it: screen readers are told nothing.
func Icon(name string) templ.Component { return icon(name, "i") }

// IconSmall is Icon for chips.
func IconSmall(name string) templ.Component { return icon(name, "i i-s") }

func icon(name, class string) templ.Component {
	drawing, known := icons[name]
	if !known {
		panic("templates: there is no icon " + name)
	}
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := fmt.Fprintf(w, `<svg class="%s" viewBox="0 0 16 16" aria-hidden="true">%s</svg>`, class, drawing)
		return err
	})
}
