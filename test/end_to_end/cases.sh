# The cases of test/end_to_end/run; test/CMakeLists.txt names them. Sourced by it.

# Every provider, no faults: all of it must land, and no gap but the books' late joins may be seen.
case_market_embedded() {
  begin market-embedded
  simulator_start "$dir" binance hyperliquid coingecko --port 0 --seed 7 --rate 3000 --length 10s --truth "$dir/truth.jsonl"
  flow --embedded
  truth_equal "$database" "$dir/truth.jsonl"
  no_open_gaps
  positive 'books that were bridged to a snapshot' "$(sql "select count(*) from gaps where cause = 'late-join' and state = 'filled'")"
  equal 'gaps other than late joins' 0 "$(sql "select count(*) from gaps where cause <> 'late-join'")"
  end
}

# More than 10 times what the embedded broker keeps of a partition (5 MB): nothing may be trimmed unread.
case_embedded_volume() {
  begin embedded-volume
  simulator_start "$dir" binance --port 0 --seed 3 --rate max --length 250000 --symbols BTC --truth "$dir/truth.jsonl"
  echo 'symbols = ["BTC/USDT"]' >> "$dir/urls.toml"
  flow --embedded
  truth_equal "$database" "$dir/truth.jsonl"
  end
}

# Real transactions, and a venue that drops frames and cuts the connection: the holes are seen, fetched and closed.
case_faults_on_kafka() {
  [ -n "${PENSTOCK_TEST_BROKERS:-}" ] || { echo "skipped: faults-on-kafka: PENSTOCK_TEST_BROKERS is not set"; return 0; }
  begin faults-on-kafka
  simulator_start "$dir" binance --port 0 --seed 11 --rate 2000 --length 20s --truth "$dir/truth.jsonl" --fault drop=0.002 --fault disconnect=7
  printf '[kafka]\nbrokers = "%s"\n' "$PENSTOCK_TEST_BROKERS" >> "$dir/urls.toml"
  # A gap whose first fetch came to nothing is asked for again after 5 s.
  idle=12 flow
  truth_equal "$database" "$dir/truth.jsonl"
  positive 'holes in trade ids that were filled' "$(sql "select count(*) from gaps where channel = 'trade' and state = 'filled'")"
  positive 'lost connections' "$(sql "select count(*) from gaps where symbol = '*' and cause = 'reconnect'")"
  # The venue goes on cutting the connection: it may be away at the moment of the stop.
  no_open_gaps "symbol <> '*'"
  end
}

# Recorded traffic against facts of an independent reading of it.
case_recordings() {
  local samples=${PENSTOCK_TEST_RECORDINGS:-}
  [ -d "$samples/binance" ] || { echo "skipped: recordings: PENSTOCK_TEST_RECORDINGS is not set"; return 0; }
  begin recordings
  simulator_start "$dir" binance hyperliquid coingecko --port 0 --speed max \
    --recording "$samples/binance/ws-spot-btcusdt-depth100ms-bookTicker-trade-1.jsonl" --recording "$samples/binance/rest-exchangeInfo-2021-10.json" \
    --recording "$samples/hyperliquid" --recording "$samples/coingecko"
  flow --embedded
  equal 'Binance trades' 6025 "$(sql "select count(*) from trades where source = 'binance'")"
  equal 'Binance trade ids without a hole' 6025 "$(sql "select max(id::bigint) - min(id::bigint) + 1 from trades where source = 'binance'")"
  equal 'Binance tickers' 18736 "$(sql "select count(*) from tickers where source = 'binance'")"
  equal 'broken chains of book updates' 0 "$(sql "
    select count(*) from (select previous_sequence, lag(sequence) over (order by sequence) as last from books
      where source = 'binance' and type = 'update') chain where last is not null and previous_sequence <> last")"
  equal 'Binance book snapshots' 1 "$(sql "select count(*) from books where source = 'binance' and type = 'snapshot'")"
  equal 'Hyperliquid books (46 messages, two of them the same)' 45 "$(sql "select count(*) from books where source = 'hyperliquid'")"
  positive 'CoinGecko tickers' "$(sql "select count(*) from tickers where source = 'coingecko'")"
  positive 'CoinGecko figures' "$(sql "select count(*) from stats where source = 'coingecko'")"
  no_open_gaps
  end
}
