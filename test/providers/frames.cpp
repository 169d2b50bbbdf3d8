#include "support.hpp"

namespace penstock::test {
namespace {

std::vector<Frame> const
    binance_frames{
        {"trade", "BTCUSDT", "",
         R"({"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255208,"s":"BTCUSDT","t":3742119215,"p":"61837.64000000","q":"0.00093000","T":1723161255207,"m":true,"M":true}})"},
        {"trade", "BTCUSDT", "",
         R"({"e":"trade","E":1723161255208,"s":"BTCUSDT","t":3742119216,"p":"0.10","q":"1","b":88,"a":50,"T":1723161255208,"m":false,"M":true})"},
        {"aggTrade", "ZILUSDT", "",
         R"({"stream":"zilusdt@aggTrade","data":{"e":"aggTrade","E":1617647603472,"s":"ZILUSDT","a":17562310,"p":"0.21448000","q":"52.30000000","f":33213800,"l":33213801,"T":1617647603471,"m":false,"M":true}})"},
        {"bookTicker", "ZILUSDT", "",
         R"({"stream":"zilusdt@bookTicker","data":{"u":499822861,"s":"ZILUSDT","b":"0.21437000","B":"2800.00000000","a":"0.21449000","A":"11400.00000000"}})"},
        {"depth", "BTCUSDT", "",
         R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"],["61730.17000000","0.00000000"]],"a":[["61837.64000000","1.54698000"]]}})"},
        {"depth", "BTCUSDT", "",
         R"({"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":50093239203,"u":50093239203,"b":[],"a":[["61837.64000000","1.5",[]]]})"},
        {"depth5", "BTCUSDT", "",
         R"({"stream":"btcusdt@depth5@100ms","data":{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}})"},
        {"depth", "BTCUSDT", "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=5000",
         R"({"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]})",
         Origin::snapshot},
        {"kline", "BNBBTC", "",
         R"({"stream":"bnbbtc@kline_1m","data":{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"T":1672515839999,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0010","v":"1000","n":100,"x":false,"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}})"},
        {"klines", "BTCUSDT", "https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=2",
         R"([[1723161180000,"61800.00","61850.10","61799.00","61837.64","12.5",1723161239999,"772970.5",617,"6.0","371000.1","0"],[1723161240000,"61837.64","61840.00","61830.00","61837.65","1.5",1723161299999,"92756.4",42,"0.7","43286.3","0"]])"},
        {"trades", "BTCUSDT", "https://api.binance.com/api/v3/trades?symbol=BTCUSDT&limit=1000",
         R"([{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,"isBuyerMaker":true,"isBestMatch":true},{"id":28458,"price":"4.00000200","qty":"1.00000000","quoteQty":"4.000002","time":1499865549591,"isBuyerMaker":false,"isBestMatch":true}])"},
        {"aggTrade", "BTCUSDT", "https://api.binance.com/api/v3/aggTrades?symbol=BTCUSDT&fromId=26129&limit=1",
         R"([{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,"M":true}])",
         Origin::backfill},
        {"exchangeInfo", "", "https://api.binance.com/api/v3/exchangeInfo?symbols=%5B%22ETHBTC%22,%22LUNAUSDT%22%5D", R"({"timezone":"UTC","serverTime":1565246363776,"rateLimits":[],"exchangeFilters":[],"symbols":[{"symbol":"ETHBTC","status":"TRADING","baseAsset":"ETH","baseAssetPrecision":8,"quoteAsset":"BTC","quotePrecision":8,"quoteAssetPrecision":8,"orderTypes":["LIMIT"],"filters":[{"filterType":"PRICE_FILTER","minPrice":"0.00001","maxPrice":"922327.0","tickSize":"0.00001000"},{"filterType":"LOT_SIZE","minQty":"0.0001","maxQty":"100000.0","stepSize":"0.00010000"},{"filterType":"MARKET_LOT_SIZE","minQty":"0.0","maxQty":"873.9","stepSize":"0.00000000"}],"permissions":[],"permissionSets":[["SPOT","MARGIN"]]},{"symbol":"LUNAUSDT","status":"BREAK","baseAsset":"LUNA","quoteAsset":"USDT","filters":[]}]})"},
        {"control", "", "", R"({"result":null,"id":1})"},
    };

std::vector<Frame> const hyperliquid_frames{
    {"trades", "BTC", "",
     R"({"channel":"trades","data":[{"coin":"BTC","side":"B","px":"105056.0","sz":"0.00219","time":1723161254873,"hash":"0xde47","tid":121451470284048,"users":["0xe9","0x8a"]},{"coin":"BTC","hash":"0x00","px":"105055.0","side":"A","sz":"0.00036","tid":181211126211835,"time":1723161254873,"users":["0x01","0x02"]}]})"},
    {"trades", "BTC", "https://api.hyperliquid.xyz/info {\"type\":\"recentTrades\",\"coin\":\"BTC\"}",
     R"([{"coin":"BTC","side":"A","px":"104320.0","sz":"0.01500","hash":"0x3","time":1723161253000,"tid":300003,"users":["0xb","0xs"]}])",
     Origin::backfill},
    {"l2Book", "BTC", "",
     R"({"channel":"l2Book","data":{"coin":"BTC","levels":[[{"n":5,"px":"105055.0","sz":"3.03622"},{"n":1,"px":"105054.0","sz":"0.1428"}],[{"n":13,"px":"105056.0","sz":"1.5"}]],"time":1723161253893}})"},
    {"l2BookSnapshot", "DYDX", "https://api.hyperliquid.xyz/info {\"type\":\"l2Book\",\"coin\":\"DYDX\"}",
     R"({"coin":"DYDX","levels":[[{"n":1,"px":"2.111","sz":"134.4"}],[{"n":2,"px":"2.1124","sz":"352.3"}]],"time":1723161253000})"},
    {"bbo", "BTC", "",
     R"({"channel":"bbo","data":{"coin":"BTC","time":1723161254000,"bbo":[{"px":"61837.0","sz":"0.5","n":3},null]}})"},
    {"candle", "BTC", "",
     R"({"channel":"candle","data":{"t":1723161240000,"T":1723161299999,"s":"BTC","i":"1m","o":"61800.0","c":"61837.0","h":"61840.0","l":"61799.0","v":"12.5","n":77}})"},
    {"candleSnapshot", "kPEPE", "https://api.hyperliquid.xyz/info {\"type\":\"candleSnapshot\"}",
     R"([{"T":1723161239999,"c":"0.001604","h":"0.001616","i":"1M","l":"0.001601","n":709,"o":"0.001601","s":"kPEPE","t":1723161180000,"v":"520665683.0"}])"},
    {"meta", "", "https://api.hyperliquid.xyz/info {\"type\":\"meta\"}",
     R"({"universe":[{"maxLeverage":50,"name":"BTC","szDecimals":5},{"maxLeverage":3,"name":"kPEPE","szDecimals":0,"isDelisted":true,"onlyIsolated":true}],"marginTables":[[50,{"description":"","marginTiers":[]}]]})"},
    {"control", "", "", R"({"channel":"pong"})"},
    // As they are spelled: in one order of fields or the other.
    {"trades", "BTC", "",
     R"({"channel":"trades","data":[{"coin":"BTC","side":"B","px":"61837.0","sz":"0.0021","time":1723161254873,"hash":"0x33112ee14ee469c3eb52fe90322ec81dd404a0093d565a6d71ce77cbc8124e3b","tid":121451470284048,"users":["0x7dc96f776c8423e57a2785489a3f9c43fb6e7568","0xe8bc163c82eee18733288c7d4ac636db3a6deb01"]}]})"},
    {"trades", "BTC", "https://api.hyperliquid.xyz/info {\"type\":\"recentTrades\",\"coin\":\"BTC\"}",
     R"([{"coin":"BTC","side":"A","px":"61836.5","sz":"1","hash":"0xf998fe06afa0cfbe73e0449dc2b1698309e1b5714960f027b2858312b152c275","time":1723161253000,"tid":300003,"users":["0x4814d92093ac8a0f4a2163ab87dee509ba306a58","0xad328846aa18b32a335816374511cac1063c704b"]},{"coin":"BTC","side":"B","px":"61836.0","sz":"0.5","time":1723161253000,"hash":"0x97fb5f8538b89f6c1accfd19836b65a73b61fbc2e0cbf84bb858a0fffa3f1592","tid":300002,"users":["0x76a8277347f52530e1cf979175a178980b3a180d","0x41242b9fae56fad4e6e77dfe33cb18d1c3fc583f"]}])",
     Origin::backfill},
};

std::vector<Frame> const coingecko_frames{
    {"simple/price", "", "https://api.coingecko.com/api/v3/simple/price?ids=bitcoin,pepe&vs_currencies=eur,usd",
     R"({"bitcoin":{"usd":76975,"usd_market_cap":1555886872303.5,"usd_24h_vol":33235034316.25,"usd_24h_change":-0.95,"eur":66000.10,"last_updated_at":1723161250},"pepe":{"usd":1.2e-08}})"},
    {"coins/markets", "",
     "https://api.coingecko.com/api/v3/coins/markets?vs_currency=usd&ids=bitcoin,ethereum&per_page=250&page=1",
     R"([{"id":"bitcoin","symbol":"btc","name":"Bitcoin","current_price":77671,"market_cap":1555886872303,"market_cap_rank":1,"total_volume":33235034316,"high_24h":78419,"low_24h":76696,"price_change_24h":-747.3360347281705,"max_supply":21000000.0,"roi":null,"last_updated":"2024-08-08T23:54:01.599Z","sparkline_in_7d":{"price":[81045.8,81001.7]}},{"id":"ethereum","symbol":"eth","current_price":2600.5,"market_cap":null,"total_volume":null,"high_24h":null,"low_24h":null,"last_updated":null}])"},
    {"ohlc", "bitcoin/usd", "https://api.coingecko.com/api/v3/coins/bitcoin/ohlc?vs_currency=usd&days=1",
     R"([[1723159800000,61800,61900.5,61700,61850],[1723161600000,61850,61850,61837,61840.0]])"},
    {"global", "", "https://api.coingecko.com/api/v3/global",
     R"({"data":{"active_cryptocurrencies":17397,"upcoming_icos":0,"ongoing_icos":49,"ended_icos":3376,"markets":1476,"total_market_cap":{"btc":34570737.199462704,"usd":2.70016521312815e+15},"total_volume":{"usd":95133256404.37308},"market_cap_percentage":{"btc":57.9539332566265},"market_cap_change_percentage_24h_usd":-1.6081983639177684,"updated_at":1723161200}})"},
    // As it is spelled: with and without the field that came later.
    {"coins/markets", "",
     "https://api.coingecko.com/api/v3/coins/markets?vs_currency=usd&ids=bitcoin,pepe,gone&per_page=250&page=1&precision=full",
     R"([{"id":"bitcoin","symbol":"btc","name":"Bitcoin","image":"https://example.org/coins/1/bitcoin.png?16","current_price":61837.25,"market_cap":1220651251183,"market_cap_rank":1,"fully_diluted_valuation":1300000000000,"total_volume":20154184933.5,"high_24h":62215,"low_24h":60060,"price_change_24h":-747.3360347281705,"price_change_percentage_24h":3.12502,"market_cap_change_24h":44287678051,"market_cap_change_percentage_24h":3.31157,"circulating_supply":19675987,"total_supply":21000000.0,"max_supply":21000000.0,"ath":73738,"ath_change_percentage":-4.77063,"ath_date":"2024-03-14T07:10:36.635Z","atl":67.81,"atl_change_percentage":103455.83335,"atl_date":"2013-07-06T00:00:00.000Z","roi":null,"last_updated":"2024-08-08T23:54:01.599Z","market_cap_rank_with_rehypothecated":1},)"
     R"({"id":"pepe","symbol":"pepe","name":"Pepe","image":"i","current_price":7.5e-06,"market_cap":null,"market_cap_rank":null,"fully_diluted_valuation":3.1E+09,"total_volume":0,"high_24h":null,"low_24h":0.0000071234567890123456789,"price_change_24h":-1e-07,"price_change_percentage_24h":-1.3,"market_cap_change_24h":0,"market_cap_change_percentage_24h":0.0,"circulating_supply":420689899653542.56,"total_supply":420689899653542.56,"max_supply":null,"ath":1.7e-05,"ath_change_percentage":-55.4,"ath_date":null,"atl":5.5142e-08,"atl_change_percentage":13500.1,"atl_date":"2023-04-18T02:14:41.591Z","roi":{"times":12.5,"currency":"btc","percentage":1250.7},"last_updated":"2024-08-08T23:53:58Z"},)"
     R"({"id":"gone","symbol":"gone","name":"Gone","image":"i","current_price":null,"market_cap":null,"market_cap_rank":null,"fully_diluted_valuation":null,"total_volume":null,"high_24h":null,"low_24h":null,"price_change_24h":null,"price_change_percentage_24h":null,"market_cap_change_24h":null,"market_cap_change_percentage_24h":null,"circulating_supply":0,"total_supply":null,"max_supply":null,"ath":null,"ath_change_percentage":null,"ath_date":null,"atl":null,"atl_change_percentage":null,"atl_date":null,"roi":null,"last_updated":null}])"},
};

}  // namespace

std::vector<Frame> documented_frames(std::string_view provider) {
  if (provider == "binance") return binance_frames;
  if (provider == "hyperliquid") return hyperliquid_frames;
  if (provider == "coingecko") return coingecko_frames;
  return {};
}

}  // namespace penstock::test
