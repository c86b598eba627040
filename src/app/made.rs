//! What the server is made of before it serves: the shared services of all calls, the log, the
//! recorder, and the work after calls.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::database::Database;
use super::{StartError, finder, numbers, prompts};
use crate::archive::Archive;
use crate::call_log::writer::{LogWriter, LogWriterTask};
use crate::clock::{Clock, Supervisor};
use crate::config::Config;
use crate::database::OwnDatabase;
use crate::functions::{FunctionServices, egress};
use crate::knowledge::Knowledge;
use crate::knowledge::answers::Answers;
use crate::knowledge::training::Trainer;
use crate::line::directory::Directory;
use crate::line::registry::Registry;
use crate::line::{CallServices, Engines};
use crate::post_call::summary::Summaries;
use crate::post_call::webhook::Webhooks;
use crate::post_call::{AT_ONCE, Parts, PostCall};
use crate::recording::recorder::{Recorder, RecorderTask};
use crate::recording::uploader::Recordings;
use crate::retention::Sweeper;
use crate::twilio::rest::TwilioRest;

/// The parts that a server is made of, before it serves.
pub(super) struct Made {
    pub(super) services: Arc<CallServices>,
    pub(super) log: LogWriterTask,
    pub(super) recorder: RecorderTask,
    pub(super) aftercall: PostCall,
    pub(super) archive: Archive,
}

fn tapes(config: &Config) -> PathBuf {
    config.data_dir.join("tapes")
}

impl Made {
    /// Makes the parts and starts them.
    pub(super) fn of(
        database: &Database,
        config: &Config,
        clock: Clock,
    ) -> Result<Self, StartError> {
        // Work that no call waits for has connections of its own.
        let (store, behind) = (database.store.clone(), database.store.in_background());
        let instance_id = Uuid::now_v7();
        let spool_error = |path: &PathBuf, source| {
            let path = path.display().to_string();
            StartError::Spool { path, source }
        };
        let tapes = tapes(config);
        let (recorder, recorder_task) =
            Recorder::start(tapes.clone()).map_err(|source| spool_error(&tapes, source))?;
        let archive = Archive::open(&config.object_store)?;
        let spool = config.data_dir.join("spool");
        let (log, log_task) =
            LogWriter::start(store.clone(), spool.clone(), instance_id, database.is_up)
                .map_err(|source| spool_error(&spool, source))?;
        let prompts = Arc::new(prompts(config.prompts_dir.as_deref())?);
        let (openai, models) = (&config.openai, &config.models);
        let summaries = Summaries::new(behind.clone(), Arc::clone(&prompts), openai, &models.chat)?;
        let aftercall = PostCall::start(Parts {
            store: behind.clone(),
            instance_id,
            summaries,
            webhooks: Webhooks::new(behind, config.private_tool_urls.clone())?,
            completed: log.completed(),
            at_once: AT_ONCE,
        });
        let function_services = Arc::new(FunctionServices {
            store: store.clone(),
            knowledge: Arc::new(Knowledge::new(store, openai, &models.embedding)?),
            egress: egress::Client::new(config.private_tool_urls.clone())?,
            twilio: TwilioRest::new(config.twilio_api_url.clone(), config.twilio.clone())?,
        });
        let services = Arc::new(CallServices {
            clock,
            registry: Registry::new(config.calls_max),
            log,
            recorder,
            prompts,
            engines: Engines::new(openai.clone(), models.clone()),
            function_services,
            instance_id,
        });
        Ok(Self { services, log: log_task, recorder: recorder_task, aftercall, archive })
    }

    /// Gives their tasks to the supervisor.
    pub(super) fn watch(&self, tasks: &Supervisor, own: Option<&OwnDatabase>) {
        self.log.tasks().into_iter().for_each(|(name, task)| tasks.watch(name, task));
        tasks.watch("recorder", self.recorder.abort_handle());
        if let Some(own) = own {
            tasks.watch("own database", own.keeper());
        }
        self.aftercall.tasks().for_each(|task| tasks.watch("work after calls", task));
    }

    /// Starts what goes on behind the calls.
    pub(super) fn sweepers(
        &self,
        tasks: &Supervisor,
        directory: &Arc<Directory>,
        config: &Config,
    ) -> Result<[JoinHandle<()>; 5], StartError> {
        let function_services = &self.services.function_services;
        let (behind, twilio) =
            (function_services.store.in_background(), function_services.twilio.clone());
        let archive = self.archive.clone();
        let sweeper = Sweeper::new(behind.clone(), archive.clone(), twilio, finder(directory));
        let answers = Answers::new(behind.clone(), Arc::clone(&function_services.knowledge));
        let trainer = Trainer::new(
            behind.clone(),
            Arc::clone(&function_services.knowledge),
            config.private_tool_urls.clone(),
            config.reader.clone(),
        )?;
        let recordings = Recordings::new(behind, archive, tapes(config));
        Ok([
            tasks.spawn("lag", numbers::watch_lag()),
            tasks.spawn("recordings", recordings.run()),
            tasks.spawn("retention", sweeper.run()),
            tasks.spawn("answers", answers.run()),
            tasks.spawn("sources", trainer.run()),
        ])
    }
}
