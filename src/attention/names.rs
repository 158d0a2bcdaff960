//! Findings and gaps' causes in a word or two, for lists, legends and totals.

use evidence::record::{FindingKind, GapCause};

/// A name in Chinese and in English.
pub type Name = (&'static str, &'static str);

/// What is wrong with what a recording shows, or with a lesson.
pub fn finding_name(what: FindingKind) -> Name {
    match what {
        FindingKind::Dark => ("画面过暗", "dark"),
        FindingKind::OverExposed => ("画面过曝", "over-exposed"),
        FindingKind::Blurred => ("画面模糊", "blurred"),
        FindingKind::Frozen => ("画面静止", "frozen"),
        FindingKind::Looped => ("画面循环", "looped"),
        FindingKind::Covered => ("镜头被遮挡", "covered"),
        FindingKind::Moved => ("摄像头移位", "camera moved"),
        FindingKind::Replaced => ("画面不是本教室", "another place"),
        FindingKind::WorkstationHidden => ("工位看不到", "workstation hidden"),
        FindingKind::FewPeople => ("人数少于签到", "fewer people than checked in"),
        FindingKind::NoRollCall => ("没有课前点名", "no roll call"),
    }
}

/// Why something was not recorded.
pub fn cause_name(cause: GapCause) -> Name {
    match cause {
        GapCause::CameraAbsent => ("摄像头未连接", "camera absent"),
        GapCause::CameraStalled => ("画面停滞", "camera stalled"),
        GapCause::Network => ("网络中断", "network"),
        GapCause::DiskFull => ("磁盘已满", "disk full"),
        GapCause::WriteFailed => ("无法写入", "write failed"),
        GapCause::ApplianceOff => ("设备关机", "appliance off"),
        GapCause::ClockStep => ("时钟调整", "clock step"),
        GapCause::OperatorStop => ("人工停止", "stopped by staff"),
        GapCause::PlanLate => ("计划迟到", "plan came late"),
    }
}
