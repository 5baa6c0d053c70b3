using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt.Core.Tests.Studies.Exchange;

public sealed class StudyCsvTests
{
    [Fact]
    public void A_study_comes_back_as_it_was_written()
    {
        foreach (var study in (ExchangedStudy[])[ExchangeFixture.Study, ExchangeFixture.Pareto])
        {
            var read = Read(Write(study));
            Assert.Equal(ExchangeFixture.Text(study, domains: false), ExchangeFixture.Text(read, domains: false));
            Assert.Equal(study.Directions.Length, read.Directions.Length);
            Assert.Equal(study.Directions.Length > 1 ? study.Metrics : [], read.Metrics);
            Assert.Equal(study.Constraints, read.Constraints);
        }
    }

    [Fact]
    public void Columns_are_named_as_in_a_table_of_Optuna()
    {
        string[] lines = Write(ExchangeFixture.Study).Split('\n');
        Assert.Equal("number,state,value,params_rate,params_momentum,params_width,params_kind,params_size,params_depth,params_bias,intermediate_values_1,"
            + "intermediate_values_3,intermediate_values_9,constraints_validation.loss at most 0.5,constraints_validation.recall at least 0.25,seconds,datetime_start,datetime_complete,user_attrs_cause,"
            + "user_attrs_attempts,user_attrs_enqueued,user_attrs_lost,user_attrs_error", lines[0]);
        Assert.Equal("0,COMPLETE,0.75,0.012345678901234568,0.3,65,relu,32,,,NaN,Infinity,0.75,-0.5,0,54.5,2026-01-02 03:04:05.678901,2026-01-02 03:05:00.000000,"
            + "done,2,true,\"[\"\"its node, \\\"\"n1\\\"\", is gone\"\"]\",", lines[1]);
        Assert.StartsWith("1,PRUNED,-0.25,1E-05,,,null,,7,false,-0.25,", lines[2]);
        Assert.StartsWith("2,FAIL,,0.1,,,\"\"\"1\"\"\",", lines[3]);
        Assert.StartsWith("number,state,values_validation.loss,values_validation.accuracy,params_rate", Write(ExchangeFixture.Pareto));
    }

    /// <summary>As those of a function are, or of Optuna's lists.</summary>
    [Fact]
    public void Constraints_without_names_have_their_places()
    {
        string text = Write(ExchangeFixture.Study with { Constraints = [] });
        Assert.Contains(",constraints_0,constraints_1,", text);
        Assert.Empty(Read(text).Constraints);
        Assert.Equal([-0.5, 0], Read(text).Trials[0].Constraints);
    }

    [Fact]
    public void A_constraint_that_a_trial_lacks_beside_others_is_not_another_one()
    {
        var study = Read("state,value,params_x,constraints_a,constraints_b\nCOMPLETE,1,1,,5\nCOMPLETE,1,1,,\n");
        Assert.Equal(["a", "b"], study.Constraints);
        Assert.Equal([double.NaN, 5], study.Trials[0].Constraints);
        Assert.Empty(study.Trials[1].Constraints);
    }

    /// <summary>As pandas writes a frame of <c>trials_dataframe()</c>.</summary>
    [Fact]
    public void A_frame_that_pandas_has_written_is_read()
    {
        var study = Read("""
            ,number,values_0,values_1,datetime_start,params_bias,params_kind,params_rate,system_attrs_fixed,state
            0,0,inf,1e-3,2026-01-01 00:00:00,True,relu,0.1,,COMPLETE
            1,1,,,2026-01-01 00:00:00,False,tanh,0.2,,FAIL

            """);
        Assert.Equal("0 | Complete | bias=Boolean True, kind=String relu, rate=Double 0.1 | Infinity, 0.001 |  | \n"
            + "1 | Fail | bias=Boolean False, kind=String tanh, rate=Double 0.2 |  |  | ", ExchangeFixture.Text(study, domains: false));
        Assert.Empty(study.Metrics);
    }

    [Fact]
    public void Cells_that_cannot_be_read_are_all_named_with_their_lines()
    {
        var error = Assert.Throws<SpecException>(() => Read("number,state,value,params_x\n0,DONE,1,1\n1,COMPLETE,much,1\n"));
        Assert.Equal(["file.csv (line 2): column state: is 'DONE', but must be a state: COMPLETE, PRUNED, FAIL, RUNNING or WAITING",
            "file.csv (line 3): column value: is 'much', but must be a number"], error.Violations.Select(v => v.ToString()));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("import os\nx = [1, 2]\n", "it has no column state")]
    [InlineData("state,params_x\nCOMPLETE,1\n", "it has no column value or values_METRIC")]
    [InlineData("state,value\nCOMPLETE,1\n", "it has no column params_NAME")]
    [InlineData("state,value,params_x\nCOMPLETE,1\n", "has 2 cells in this row, but 3 columns")]
    [InlineData("state,value,params_x,intermediate_values_last\nCOMPLETE,1,1,1\n", "must end in a step")]
    public void What_is_no_table_of_trials_is_refused(string text, string expected) =>
        Assert.Contains(expected, Assert.Single(Assert.Throws<SpecException>(() => Read(text)).Violations).Message);

    private static string Write(ExchangedStudy study)
    {
        using var writer = new StringWriter();
        StudyCsv.Write(writer, study);
        return writer.ToString();
    }

    private static ExchangedStudy Read(string text)
    {
        using var reader = new StringReader(text);
        return StudyCsv.Read(reader, "file.csv");
    }
}
