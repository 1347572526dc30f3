import assert from "node:assert/strict";
import { PRICED_REGIONS, priceTable } from "../../../components/aws/pricing";
import { vcpusOf } from "../../../components/aws/pricing/pricer";
import { PRICES } from "../../../components/aws/pricing/us-east-1";
import { BROKER_CLASSES, CACHE_CLASSES, DATABASE_CLASSES, NODE_CLASSES } from "../../../stacks/cloud/classes";

describe("A14 F5 tables of prices", () => {
  it("every region has every price, of a known source, and of every class the sizing model can choose", () => {
    const classes = [DATABASE_CLASSES, CACHE_CLASSES, BROKER_CLASSES, ...Object.values(NODE_CLASSES)].flat();
    assert.deepEqual(PRICED_REGIONS, ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "sa-east-1"]);
    for (const region of PRICED_REGIONS) {
      const table = priceTable(region);
      const prices = [
        ...classes.map(({ name }) => [name, table.classHour(name)] as const),
        ...(Object.keys(PRICES) as (keyof typeof PRICES)[]).map((key) => [key, table.price(key)] as const),
      ];
      for (const [name, price] of prices) {
        assert.ok(price && price.usd > 0 && price.usd < 50, `${name} in ${region}`);
        assert.match(price.source.date, /^20\d\d-\d\d-\d\d$/);
        assert.ok(price.source.title.length > 20);
      }
      for (const { name, vcpus } of classes) assert.equal(vcpusOf(name), vcpus, name);
      // A larger class of a family is dearer.
      for (const family of [DATABASE_CLASSES, CACHE_CLASSES, BROKER_CLASSES, ...Object.values(NODE_CLASSES)]) {
        const hours = family.map(({ name }) => table.classHour(name)!.usd);
        assert.deepEqual(
          hours,
          [...hours].sort((a, b) => a - b),
        );
      }
    }
  });

  it("what another region's price rests on is told: only what was read there is confirmed", () => {
    const [virginia, frankfurt] = [priceTable("us-east-1"), priceTable("eu-central-1")];
    assert.equal(virginia.price("nat.hour").source.confirmed, true);
    assert.deepEqual([frankfurt.price("alb.hour").usd, frankfurt.price("alb.hour").source.confirmed], [0.027, true]);
    assert.equal(frankfurt.classHour("db.r6g.xlarge")!.source.confirmed, false);
    assert.ok(Math.abs(frankfurt.classHour("db.r6g.xlarge")!.usd - 0.45 * (0.115 / 0.096)) < 1e-9);
    assert.equal(frankfurt.price("waf.aclMonth").source.confirmed, false);
    const saoPaulo = priceTable("sa-east-1");
    assert.deepEqual([saoPaulo.classHour("cache.r7g.large")!.usd, saoPaulo.classHour("cache.r7g.large")!.source.confirmed], [0.436, true]);
    assert.equal(saoPaulo.classHour("db.r6g.large")!.source.confirmed, false);
    assert.throws(
      () => priceTable("mars-north-1"),
      /region: "mars-north-1" has no price table; there are tables for us-east-1, us-west-2,/,
    );
    assert.throws(() => priceTable("constructor"), /has no price table/);
  });
});
