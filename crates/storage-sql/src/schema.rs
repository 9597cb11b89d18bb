//! The tables as declared to diesel. `migrations/` creates them and documents their columns.
#![expect(missing_docs, reason = "the columns are documented in the migrations")]

diesel::table! {
    instances (id) {
        id -> Text,
        serial -> BigInt,
        name -> Text,
        password_hash -> Nullable<Text>,
        deleted -> Bool,
        settings -> Text,
    }
}

diesel::table! {
    access_tokens (instance_id, serial) {
        instance_id -> Text,
        serial -> BigInt,
        digest -> Binary,
        scope -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        description -> Text,
    }
}

diesel::table! {
    otp_devices (instance_id, device_id) {
        instance_id -> Text,
        device_id -> Text,
        description -> Text,
        sealed_key -> Binary,
        algorithm -> SmallInt,
        counter -> BigInt,
    }
}

diesel::table! {
    audit_events (instance_id, happened_at, serial) {
        instance_id -> Text,
        happened_at -> BigInt,
        serial -> BigInt,
        actor -> Text,
        actor_serial -> Nullable<BigInt>,
        actor_scope -> Nullable<Text>,
        address -> Nullable<Text>,
        operation -> Text,
        device_id -> Nullable<Text>,
        access_token -> Nullable<BigInt>,
        outcome -> Text,
        unrecorded -> BigInt,
    }
}

diesel::table! {
    master_keys (id) {
        id -> Binary,
        sample -> Binary,
    }
}

// The applied migrations; diesel itself creates this table.
diesel::table! {
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(instances, access_tokens);
