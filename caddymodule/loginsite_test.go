package caddymodule

import (
	"encoding/json"
	"testing"
)

// Where a login link points is read from the configuration; a site whose cookie no browser would keep is none.
func TestLoginSite(t *testing.T) {
	t.Parallel()
	const session = " {\n\tcdxgate_console {\n\t\taccess session\n\t}\n}\n"
	for text, want := range map[string]string{
		"https://localhost:8491" + session:                             "https://localhost:8491",
		"https://admin.example.net" + session:                          "https://admin.example.net",
		"admin.example.net, other.example.net" + session:               "https://admin.example.net",
		"{\n\thttps_port 8443\n}\nhttps://admin.example.net" + session: "https://admin.example.net:8443",
		":8491 {\n\ttls internal\n\troute /x* {\n\t\tcdxgate_dashboard {\n\t\t\taccess token session\n\t\t}\n\t}\n}\n":                        "https://localhost:8491",
		"https://a.example.net" + session + "https://localhost:8491 {\n\tbind 127.0.0.1\n\tcdxgate_dashboard {\n\t\taccess session\n\t}\n}\n": "https://localhost:8491",
		"http://localhost:8491 {\n\tbind 127.0.0.1\n\tcdxgate_console {\n\t\taccess session\n\t}\n}\n":                                        "",
		"https://localhost:8489 {\n\tcdxgate_console\n}\n":                                                                                    "",
		"https://localhost:8489 {\n\tcdxgate_console {\n\t\taccess token\n\t}\n}\n":                                                           "",
		"{\n\tauto_https off\n}\nhttps://localhost:8491 {\n\tbind 127.0.0.1\n\tcdxgate_dashboard {\n\t\taccess session\n\t}\n}\n":             "",
		"https://localhost:8488 {\n\tcdxgate_api\n}\n":                                                                                        "",
		"import ../Caddyfile": "https://localhost:8491",
	} {
		parsed := &config{}
		if err := json.Unmarshal([]byte(adaptText("Caddyfile", text)), parsed); err != nil {
			t.Errorf("%s\nis no configuration: %v", text, err)
			continue
		}
		if got := parsed.loginSite(); got != want {
			t.Errorf("%s\ngot %q, want %q", text, got, want)
		}
	}
	if got := (&config{}).loginSite(); got != "" {
		t.Errorf("got %q without sites", got)
	}
}
