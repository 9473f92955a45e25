-- What ChatGPT says about the rate limits of each account, and how it is asked.

CREATE TABLE quota_snapshot (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
	source text NOT NULL CHECK (source IN ('chatgpt', 'host')),
	host_id bigint REFERENCES host ON DELETE SET NULL,
	chatgpt_account text CHECK (octet_length(chatgpt_account) <= 256),
	fetched_at timestamptz NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	plan_type text CHECK (octet_length(plan_type) BETWEEN 1 AND 64),
	rate_allowed boolean,
	rate_limit_reached boolean,
	primary_used_percent integer CHECK (primary_used_percent >= 0),
	primary_limit_seconds integer CHECK (primary_limit_seconds > 0),
	primary_resets_at timestamptz,
	secondary_used_percent integer CHECK (secondary_used_percent >= 0),
	secondary_limit_seconds integer CHECK (secondary_limit_seconds > 0),
	secondary_resets_at timestamptz,
	has_credits boolean,
	unlimited boolean,
	credit_balance text CHECK (octet_length(credit_balance) BETWEEN 1 AND 64),
	approx_local_messages integer[] CHECK (cardinality(approx_local_messages) <= 2),
	approx_cloud_messages integer[] CHECK (cardinality(approx_cloud_messages) <= 2),
	CHECK (source = 'host' OR host_id IS NULL)
);
CREATE INDEX quota_snapshot_account ON quota_snapshot (account_id, fetched_at DESC, id DESC);
CREATE INDEX quota_snapshot_host ON quota_snapshot (host_id) WHERE host_id IS NOT NULL;
COMMENT ON TABLE quota_snapshot IS 'What was said about an account''s rate limits at a moment: 180 days of it, less and less dense. NULL: it was not said.';
COMMENT ON COLUMN quota_snapshot.source IS 'Who said it: ChatGPT to the gateway, or a host that read it in what ChatGPT told its Codex.';
COMMENT ON COLUMN quota_snapshot.chatgpt_account IS 'Whose limits these are: that of the login at that moment. Under another login they say nothing.';
COMMENT ON COLUMN quota_snapshot.primary_limit_seconds IS 'Length of the window: primary is that of hours, secondary that of days, wherever ChatGPT put them.';

CREATE TABLE quota_state (
	account_id bigint PRIMARY KEY REFERENCES account ON DELETE CASCADE,
	snapshot_id bigint REFERENCES quota_snapshot ON DELETE SET NULL,
	attempt bigint NOT NULL DEFAULT 0,
	asked_at timestamptz,
	next_eligible_at timestamptz NOT NULL DEFAULT now(),
	held_until timestamptz NOT NULL DEFAULT now(),
	generation bigint NOT NULL DEFAULT 0,
	failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
	error_code text CHECK (error_code ~ '^[a-z_]{1,32}$'),
	error_text text CHECK (octet_length(error_text) BETWEEN 1 AND 256),
	error_status integer CHECK (error_status BETWEEN 100 AND 999),
	error_at timestamptz,
	CHECK (num_nulls(error_code, error_text, error_at) IN (0, 3))
);
CREATE INDEX quota_state_snapshot ON quota_state (snapshot_id);
COMMENT ON TABLE quota_state IS 'How ChatGPT is asked about an account. Moments that several gateways compare are of this database''s clock.';
COMMENT ON COLUMN quota_state.snapshot_id IS 'The last good answer. No error replaces it.';
COMMENT ON COLUMN quota_state.attempt IS 'Grows with each question: an answer to an earlier one, which came too late, changes nothing.';
COMMENT ON COLUMN quota_state.next_eligible_at IS 'When it is to be asked again.';
COMMENT ON COLUMN quota_state.held_until IS 'Until then nobody asks, not even an admin who wants to know now: a question is under way, was just answered, or ChatGPT said so.';
COMMENT ON COLUMN quota_state.generation IS 'That of the login which was asked with: what was wrong with a login says nothing about the next one.';
COMMENT ON COLUMN quota_state.failures IS 'How many questions in a row had no good answer.';
COMMENT ON COLUMN quota_state.error_code IS 'What went wrong last, while nothing has gone well since; NULL: the last question was answered.';
