import { activityOperations } from "../routes/admin-activity";
import { chatOperations } from "../routes/chat";
import { dashboardOperations } from "../routes/dashboard";
import { documentOperations } from "../routes/documents";
import { examOperations } from "../routes/exams";
import { filingOperations } from "../routes/filings";
import { jobOperations, queueOperations } from "../routes/jobs";
import { orderOperations } from "../routes/orders";
import { patientOperations } from "../routes/patients";
import { productOperations } from "../routes/products";
import { quotaOperations } from "../routes/quotas";
import { realtimeOperations } from "../routes/realtime";
import { taxOperations } from "../routes/tax";
import { accountOperations } from "./accounts";
import type { Operation } from "./operation";
import { operatorOperations } from "./operators";

/** Everything the app answers. A test compares this with the routes that Express has: neither may have one that the other lacks. */
export const OPERATIONS: readonly Operation[] = [
  ...accountOperations,
  ...orderOperations,
  ...productOperations,
  ...patientOperations,
  ...examOperations,
  ...filingOperations,
  ...taxOperations,
  ...chatOperations,
  ...dashboardOperations,
  ...quotaOperations,
  ...realtimeOperations,
  ...jobOperations,
  ...documentOperations,
  ...queueOperations,
  ...activityOperations,
  ...operatorOperations,
];
