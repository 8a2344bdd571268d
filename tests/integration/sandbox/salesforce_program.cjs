// One of two clients of Bulk API 2.0, unchanged: `node salesforce_program.cjs CLIENT ACTION ARGUMENTS`.
// Address and token come from the environment; what was done is printed as JSON.

const { setTimeout: sleep } = require("node:timers/promises");

const [client, action, ...rest] = process.argv.slice(2);
const org = {
  instanceUrl: process.env.SALESFORCE_URL,
  accessToken: process.env.SALESFORCE_TOKEN,
};

const nodeSfBulk2 = () => {
  const { BulkAPI2 } = require("node-sf-bulk2");
  const bulk = new BulkAPI2({ ...org, apiVersion: "62.0" });
  const ended = async (look) => {
    for (;;) {
      const info = await look();
      if (["JobComplete", "Failed", "Aborted"].includes(info.state)) return info;
      await sleep(50);
    }
  };
  return {
    query: async (soql) => {
      const job = await bulk.submitBulkQueryJob({ query: soql, operation: "query" });
      const info = await ended(() => bulk.getBulkQueryJobInfo(job.id));
      const pages = [];
      for (let locator; locator !== "null"; ) {
        const page = await bulk.getBulkQueryResults(job.id, locator);
        pages.push(page.data);
        locator = page.headers["sforce-locator"];
      }
      await bulk.deleteBulkQueryJob(job.id);
      return { state: info.state, pages };
    },
    pages: async (soql) => {
      const job = await bulk.submitBulkQueryJob({ query: soql, operation: "query" });
      const info = await ended(() => bulk.getBulkQueryJobInfo(job.id));
      const { resultChunks } = await bulk.getBulkQueryResultPages(job.id);
      const replies = await Promise.all(resultChunks.map((each) => bulk.getResultPage(each.resultLink)));
      return { state: info.state, pages: replies.map((each) => each.data) };
    },
    insert: async (object, csv) => {
      const job = await bulk.createDataUploadJob({ object, operation: "insert" });
      await bulk.uploadJobData(job.contentUrl, csv);
      await bulk.closeOrAbortJob(job.id, "UploadComplete");
      const info = await ended(() => bulk.getIngestJobInfo(job.id));
      const [successful, failed] = [await bulk.getResults(job.id, 0), await bulk.getResults(job.id, 1)];
      return { state: info.state, successful, failed };
    },
  };
};

const jsforce = () => {
  const { Connection } = require("@jsforce/jsforce-node");
  const connection = new Connection({ ...org, version: "59.0" });
  connection.bulk2.pollInterval = 50;
  return {
    query: async (soql) => {
      const records = await (await connection.bulk2.query(soql)).toArray();
      return { records };
    },
    insert: async (object, csv) => {
      const found = await connection.bulk2.loadAndWaitForResults({ object, operation: "insert", input: csv });
      return { successful: found.successfulResults, failed: found.failedResults };
    },
  };
};

({ "node-sf-bulk2": nodeSfBulk2, jsforce })
  [client]()
  [action](...rest)
  .then((done) => console.log(JSON.stringify(done)))
  .catch((error) => {
    console.error(error.response?.data ?? error);
    process.exitCode = 1;
  });
