package cdx

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

// blocks are the parts of the gateway's answers that change seldom, by name, as last heard; the configuration has a file of
// its own. They are kept beside the
// login, so that a start in which nothing changed carries nothing but their ETags. nil: the gateway never spoke.
type blocks map[string]api.Block

// maxBlocksBytes is the largest file of blocks that is read: an answer is not larger.
const maxBlocksBytes = maxAnswerBytes

func (h home) blocksPath() string { return filepath.Join(h.dir, ".cdx", "blocks.json") }

// loadBlocks reads what the gateway last said; what cannot be read is asked for again.
func (h home) loadBlocks() blocks {
	text, err := files.ReadBounded(h.blocksPath(), maxBlocksBytes)
	var kept blocks
	if err != nil || json.Unmarshal(text, &kept) != nil {
		return nil
	}
	return kept
}

// saveBlocks keeps what the gateway said. Without it the next start asks for everything, that is all.
func (h home) saveBlocks(b blocks) {
	if text, err := json.Marshal(b); err == nil {
		_ = files.Write(h.blocksPath(), text)
	}
}

// etags tell the gateway which blocks need not be sent again.
func (b blocks) etags() map[string]string {
	etags := map[string]string{}
	for name, block := range b {
		if block.Data != nil { // else the gateway would never send it again
			etags[name] = block.ETag
		}
	}
	return etags
}

// merge returns b with what an answer brought, and whether that is news.
func (b blocks) merge(answer *api.SyncResponse) (merged blocks, changed bool) {
	merged = maps.Clone(b)
	if merged == nil {
		merged = blocks{}
	}
	for name, block := range map[string]api.Block{
		api.BlockHost: answer.Host, api.BlockVersions: answer.Versions, api.BlockPolicy: answer.Policy, api.BlockQuota: answer.Quota,
		api.BlockLibrary: answer.Library, api.BlockClient: answer.Client, api.BlockMonth: answer.Month,
	} {
		if block.Data != nil {
			merged[name] = block
		}
	}
	return merged, !reflect.DeepEqual(merged, b)
}

// read decodes one block. It is false when the gateway did not send it, sent null, or something of another shape.
func (b blocks) read(name string, to any) bool {
	data := b[name].Data
	return len(data) > 0 && string(data) != "null" && json.Unmarshal(data, to) == nil
}

// host is what the gateway knows about this machine; nil: nothing.
func (b blocks) host() *api.Host {
	if host := new(api.Host); b.read(api.BlockHost, host) {
		return host
	}
	return nil
}

// versions are what this machine should run; the zero value when the gateway does not say.
func (b blocks) versions() api.Versions {
	var versions api.Versions
	if !b.read(api.BlockVersions, &versions) {
		return api.Versions{}
	}
	return versions
}

// policy is what the admins decided; nil when the gateway does not say.
func (b blocks) policy() *api.SyncPolicy {
	if policy := new(api.SyncPolicy); b.read(api.BlockPolicy, policy) {
		return policy
	}
	return nil
}

// quota is what ChatGPT says about the account; nil when the gateway does not know.
func (b blocks) quota() *api.ChatGPTUsage {
	if quota := new(api.ChatGPTUsage); b.read(api.BlockQuota, quota) {
		return quota
	}
	return nil
}

// month is what this machine has used this month; nil when the gateway does not say.
func (b blocks) month() *api.TokenUsage {
	if month := new(api.TokenUsage); b.read(api.BlockMonth, month) {
		return month
	}
	return nil
}

// library is the fleet's list of slash commands; nil when the gateway has none to tell.
func (b blocks) library() *api.SlashList {
	if list := new(api.SlashList); b.read(api.BlockLibrary, list) {
		return list
	}
	return nil
}

// client is the build of cdx for this machine; nil when there is none.
func (b blocks) client() *api.ClientOffer {
	if offer := new(api.ClientOffer); b.read(api.BlockClient, offer) {
		return offer
	}
	return nil
}
