package caddymodule

import "errors"

// chatgptOff is the value of the option “chatgpt_url” with which nobody is asked.
const chatgptOff = "off"

// validChatGPTURL refuses places to which the fleet's access token would go unprotected.
func validChatGPTURL(text string) error {
	switch text {
	case chatgptOff:
		return nil
	case "":
		return errors.New("want a URL, or off")
	}
	return validReleasesURL(text)
}

// askedAt is where ChatGPT is asked; "": nowhere.
func askedAt(option string) string {
	if option == chatgptOff {
		return ""
	}
	return option
}
